#include <stdexcept>

#include "bsq/methods/registry.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

/// Trains full precision: the weights themselves.
class FloatMethod : public Method {
 public:
  std::string name() const override { return "float"; }

  void begin(Network& network, const Start& /*start*/) override {
    if (!is_float(network)) {
      throw std::invalid_argument(refusal_of_bits(network, name()));
    }
  }
};

}  // namespace

void register_float() {
  register_method(
      {"float", "trains full precision, no bits", "", [] { return std::make_unique<FloatMethod>(); }});
}

}  // namespace bsq
