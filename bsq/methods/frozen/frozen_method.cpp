#include <torch/utils.h>

#include "bsq/methods/registry.h"
#include "bsq/nn/fixed_bits.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "bsq/quant/sign_magnitude.h"

namespace bsq {
namespace {

/// Finetunes at fixed bit widths: the trained variable is q, rounded straight through to the grid that the
/// codes of any method have; the scale is trained too (BSQ, section 3.4).
class FrozenMethod : public Method {
 public:
  std::string name() const override { return GridQuantizer::kKind; }
  void begin(Network& network, const Start& start) override;
};

// A q between the grid's points is one in training: it stays as it is.
bool is_between_points(const WeightSource& source, const Codes& codes) {
  const auto* weight = dynamic_cast<const MasterWeight*>(&source);
  return weight != nullptr && source.kind() == GridQuantizer::kKind &&
         !torch::equal(weight->tensor(), round_to_grid(weight->tensor(), codes.format));
}

// For training, digits that no weight needs go too; evaluation takes the file as it is, to the last bit.
void FrozenMethod::begin(Network& network, const Start& start) {
  torch::NoGradGuard no_grad;
  if (is_float(network)) {
    to_fixed_bits(network, start.rules);
  }
  for (const auto& ref : coded_sources(network)) {
    const auto codes = *ref.source().codes();
    if (!is_between_points(ref.source(), codes)) {
      ref.set(make_frozen(start.is_training ? without_empty_digits(codes) : codes));
    }
  }
}

}  // namespace

void register_frozen() {
  register_method({GridQuantizer::kKind, "finetunes at fixed bit widths",
                   "Yang et al., ICLR 2021, arXiv 2102.10462, section 3.4",
                   [] { return std::make_unique<FrozenMethod>(); }});
}

}  // namespace bsq
