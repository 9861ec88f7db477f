#include <stdexcept>

#include "bsq/methods/dorefa/dorefa_activation.h"
#include "bsq/methods/dorefa/dorefa_quantizer.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/activation_factory.h"

namespace bsq {
namespace {

/// DoReFa: fixed bit widths, no trained tensors of quantizers. First and last layer stay float unless
/// --layer-bits names them; biases, batch norm and shortcuts do too.
class DorefaMethod : public Method {
 public:
  std::string name() const override { return DorefaQuantizer::kKind; }
  void check_rules(const LayerRules& rules) const override;

 protected:
  void adapt(NetworkDescription& description) const override {
    description.activation = DorefaActivation::kKind;
    description.activation_place = ActivationPlace::kOutput;
  }
  Parts parts(const LayerPlace& place, const WeightSource& weight) const override;
};

void DorefaMethod::check_rules(const LayerRules& rules) const {
  const auto refuse = [](const std::string& named, int64_t bits) {
    if (bits > DorefaQuantizer::kMostBits) {
      throw std::invalid_argument(named + std::to_string(bits) + ": expected at most " +
                                  std::to_string(DorefaQuantizer::kMostBits) + ", as --method dorefa needs");
    }
  };
  refuse("--bits ", rules.bits());
  for (const auto& [pattern, bits] : rules.layer_bits()) {
    refuse("--layer-bits " + pattern + "=", bits);
  }
}

Parts DorefaMethod::parts(const LayerPlace& place, const WeightSource& /*weight*/) const {
  const bool is_edge = place.role == LayerRole::kFirst || place.role == LayerRole::kLast;
  Parts parts;
  if (place.bits > 0 && place.role != LayerRole::kShortcut && (place.is_named || !is_edge)) {
    parts.weight = std::make_unique<DorefaQuantizer>(place.bits);
  }
  return parts;
}

}  // namespace

void register_dorefa() {
  register_weight_source(DorefaQuantizer::kKind, DorefaQuantizer::load);
  register_activation(DorefaActivation::kKind, [](const NetworkDescription& description) {
    return std::make_unique<DorefaActivation>(description.activation_bits);
  });
  register_method({DorefaQuantizer::kKind, "trains at fixed bit widths, weights bounded by tanh",
                   "Zhou et al., 2016, arXiv 1606.06160", [] { return std::make_unique<DorefaMethod>(); }});
}

}  // namespace bsq
