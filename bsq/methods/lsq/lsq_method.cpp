#include <set>
#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/methods/lsq/lsq_activation.h"
#include "bsq/methods/lsq/lsq_quantizer.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

/// LSQ: fixed bit widths; the step of every quantizer is trained. Biases, batch norm and shortcuts stay
/// float.
class LsqMethod : public Method {
 public:
  std::string name() const override { return LsqQuantizer::kKind; }
  void add_options(OptionTable& table) override;
  /// The bit widths of the first and the last layer.
  std::map<std::string, std::string> form(Network& network) const override;
  /// No layer may have 1 bit.
  void check_rules(const LayerRules& rules) const override;

 protected:
  void adapt(NetworkDescription& description) const override {
    description.activation = LsqActivation::kKind;
  }
  Parts parts(const LayerPlace& place, const WeightSource& weight) const override;

 private:
  int64_t bits_of(const LayerPlace& place) const;

  int64_t edge_bits_ = 8;
};

void LsqMethod::add_options(OptionTable& table) {
  table
      .add("edge-bits", &edge_bits_,
           "bit width of the first and the last layer, where --layer-bits does not name them")
      .range(LsqQuantizer::kFewestBits, kMaxBits)
      .resume(ResumeRule::kFixed);
}

std::map<std::string, std::string> LsqMethod::form(Network& network) const {
  std::set<int64_t> widths;
  for (const auto& [path, layer] : quant_layers(network)) {
    const bool is_edge = layer->role() == LayerRole::kFirst || layer->role() == LayerRole::kLast;
    if (is_edge && !layer->weight_source().is_float()) {
      widths.insert(layer->weight_source().bits());
    }
  }
  // Two widths: --layer-bits has named one of the layers, and which one the file does not say.
  return widths.size() != 1
             ? std::map<std::string, std::string>()
             : std::map<std::string, std::string>{{"edge-bits", std::to_string(*widths.begin())}};
}

void LsqMethod::check_rules(const LayerRules& rules) const {
  const auto refuse = [](const std::string& named, int64_t bits) {
    if (bits < LsqQuantizer::kFewestBits) {
      throw std::invalid_argument(named + std::to_string(bits) + ": expected at least " +
                                  std::to_string(LsqQuantizer::kFewestBits) + ", as --method lsq needs");
    }
  };
  refuse("--bits ", rules.bits());
  for (const auto& [pattern, bits] : rules.layer_bits()) {
    refuse("--layer-bits " + pattern + "=", bits);
  }
}

Parts LsqMethod::parts(const LayerPlace& place, const WeightSource& weight) const {
  Parts parts;
  if (place.bits > 0 && place.role != LayerRole::kShortcut) {
    parts.weight = LsqQuantizer::for_weights(weight.value(), bits_of(place));
  }
  return parts;
}

int64_t LsqMethod::bits_of(const LayerPlace& place) const {
  const bool is_edge = place.role == LayerRole::kFirst || place.role == LayerRole::kLast;
  return is_edge && !place.is_named ? edge_bits_ : place.bits;
}

}  // namespace

void register_lsq() {
  register_weight_source(LsqQuantizer::kKind, LsqQuantizer::load);
  register_activation(LsqActivation::kKind, [](const NetworkDescription& description) {
    return std::make_unique<LsqActivation>(description.activation_bits);
  });
  register_method(
      {LsqQuantizer::kKind, "trains weights at fixed bit widths, and the steps of their quantizers",
       "Esser et al., ICLR 2020, arXiv 1902.08153", [] { return std::make_unique<LsqMethod>(); }});
}

}  // namespace bsq
