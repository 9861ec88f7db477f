#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/methods/hysteresis/feature_map.h"
#include "bsq/methods/hysteresis/hysteresis_quantizer.h"
#include "bsq/methods/hysteresis/loop_optimizer.h"
#include "bsq/methods/hysteresis/published_optimizer.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

constexpr size_t kConvolutionRank = 4;

/// 1-bit weights with hysteresis and low-bit feature maps in front of layers. Every convolution but the first
/// is binary, shortcuts too; biases, linear layers and norms stay float.
class HysteresisMethod : public Method {
 public:
  std::string name() const override { return HysteresisQuantizer::kKind; }
  void add_options(OptionTable& table) override;
  int64_t default_bits() const override { return 1; }
  std::optional<int64_t> default_activation_bits() const override { return 2; }
  void check_rules(const LayerRules& rules) const override;
  /// The loop where weights are binary, the kind of its maps, and the bit widths of these.
  std::map<std::string, std::string> form(Network& network) const override;
  std::unique_ptr<Optimizer> make_optimizer(Network& network, const SgdOptions& options) override;
  std::vector<std::string> metric_names() const override;
  std::vector<double> measure(Network& network, const StepSums& sums, double steps,
                              const Sizes& sizes) const override;

 protected:
  void adapt(NetworkDescription& description) const override;
  Parts parts(const LayerPlace& place, const WeightSource& weight) const override;

 private:
  bool is_published() const { return rule_ == "published"; }
  bool is_binary(const LayerPlace& place, const WeightSource& weight) const;
  std::set<std::string> binary_weights(Network& network) const;

  std::string rule_ = "loop";
  double threshold_ = 0.1;
  std::optional<std::string> threshold_rule_;
  std::optional<std::string> map_;
  std::array<std::optional<int64_t>, 3> stage_bits_;
};

void HysteresisMethod::add_options(OptionTable& table) {
  table
      .add("hysteresis", &rule_,
           "when a weight changes its sign: loop, once its hidden weight is beyond the threshold; published, "
           "after one step of delay, with float weights in between")
      .one_of({"loop", "published"})
      .resume(ResumeRule::kFixed);
  table.add("threshold", &threshold_, "how far a hidden weight has to go beyond 0 before the sign follows")
      .range(0, 1e6)
      .only_training()
      .resume(ResumeRule::kOverride);
  table
      .add("threshold-rule", &threshold_rule_,
           "unit of the threshold: relative, the layer's scale mean|h|; absolute, 1")
      .one_of({"relative", "absolute"})
      .default_text("relative; absolute with --hysteresis published")
      .needs([this] {
        return is_published() && threshold_rule_ != "absolute" ? "is absolute with --hysteresis published"
                                                               : "";
      })
      .only_training()
      .resume(ResumeRule::kOverride);
  table.add("map", &map_, "quantizer of feature maps: fixed, a step of 1; pact, a range that is trained")
      .one_of({"fixed", "pact"})
      .default_text("from the file, else fixed")
      .resume(ResumeRule::kFixed);
  for (size_t i = 0; i < stage_bits_.size(); ++i) {
    const auto stage = std::to_string(i + 1);
    table
        .add("quantize-layer" + stage, &stage_bits_[i],
             "bit width of the feature maps in layer" + stage + "; 0: float; only for networks with a layer" +
                 stage)
        .alias("quantize_layer" + stage)
        .range(0, kMaxBits)
        .default_text("as --act")
        .resume(ResumeRule::kFixed);
  }
}

void HysteresisMethod::check_rules(const LayerRules& rules) const {
  const auto refuse = [](const std::string& named, int64_t bits) {
    if (bits != 1) {
      throw std::invalid_argument(named + std::to_string(bits) +
                                  ": expected 1, as --method hysteresis needs");
    }
  };
  refuse("--bits ", rules.bits());
  for (const auto& [pattern, bits] : rules.layer_bits()) {
    refuse("--layer-bits " + pattern + "=", bits);
  }
  if (is_published() && !(rules.layer_bits().empty() && rules.keep_float().empty())) {
    throw std::invalid_argument(std::string(rules.layer_bits().empty() ? "--keep-float" : "--layer-bits") +
                                ": no effect with --hysteresis published, which makes every convolution but "
                                "the first binary");
  }
}

// The bit width of the maps in a stage. "": there are none, or --layer-act has named some of them.
std::string stage_text(Network& network, const std::string& stage) {
  std::set<int64_t> widths;
  for (const auto& [path, layer] : quant_layers(network)) {
    if (path.rfind(stage + ".", 0) == 0) {
      widths.insert(activation_bits_at(network.description(), path + "_input"));
    }
  }
  return widths.size() == 1 ? std::to_string(*widths.begin()) : "";
}

std::map<std::string, std::string> HysteresisMethod::form(Network& network) const {
  const auto& kind = network.description().activation;
  std::map<std::string, std::string> form;
  if (!is_float(network)) {
    form["hysteresis"] = "loop";
  }
  if (kind == PactMap::kKind || kind == FixedMap::kKind) {
    form["map"] = kind == PactMap::kKind ? "pact" : "fixed";
  }
  for (size_t i = 0; i < stage_bits_.size(); ++i) {
    const auto stage = "layer" + std::to_string(i + 1);
    const auto text = stage_text(network, stage);
    if (!text.empty()) {
      form["quantize-" + stage] = text;
    }
  }
  return form;
}

// Rules of stages stand before those of the user, which count.
void add_stage_rule(NetworkDescription& description, int64_t stage, int64_t bits) {
  const auto pattern = "layer" + std::to_string(stage) + ".*";
  auto& rules = description.activation_rules;
  const auto found =
      std::find_if(rules.begin(), rules.end(), [&](const auto& rule) { return rule.first == pattern; });
  if (found == rules.end()) {
    rules.insert(rules.begin(), {pattern, bits});
  } else if (found->second != bits) {
    throw std::invalid_argument("--quantize-layer" + std::to_string(stage) + " " + std::to_string(bits) +
                                ": contradicts the rule " + pattern + "=" + std::to_string(found->second) +
                                " of --layer-act or of the model file");
  }
}

void HysteresisMethod::adapt(NetworkDescription& description) const {
  const bool has_stages =
      std::any_of(stage_bits_.begin(), stage_bits_.end(), [](const auto& bits) { return bits.has_value(); });
  if (description.activation_bits == 0 && (has_stages || map_ == "pact")) {
    throw std::invalid_argument(std::string(has_stages ? "--quantize-layer" : "--map pact") +
                                ": no effect with --act 0, which keeps feature maps float");
  }
  // Files of the published rule hold float weights, and the maps that they were trained with.
  const bool keeps_pact = !map_ && description.activation == PactMap::kKind;
  description.activation = keeps_pact || map_ == "pact" ? PactMap::kKind : FixedMap::kKind;
  description.activation_place = ActivationPlace::kInnerSharedInput;
  for (size_t i = stage_bits_.size(); i-- > 0;) {
    if (stage_bits_[i]) {
      add_stage_rule(description, static_cast<int64_t>(i) + 1, *stage_bits_[i]);
    }
  }
}

bool HysteresisMethod::is_binary(const LayerPlace& place, const WeightSource& weight) const {
  const bool is_edge = place.role == LayerRole::kFirst || place.role == LayerRole::kLast;
  const bool is_convolution = weight.shape().size() == kConvolutionRank;
  return place.bits > 0 && (place.is_named || (is_convolution && !is_edge));
}

Parts HysteresisMethod::parts(const LayerPlace& place, const WeightSource& weight) const {
  Parts parts;
  if (!is_published() && is_binary(place, weight)) {
    parts.weight = HysteresisQuantizer::for_weights(weight.value());
  }
  return parts;
}

std::set<std::string> HysteresisMethod::binary_weights(Network& network) const {
  std::set<std::string> names;
  const auto layers = quant_layers(network);
  const auto places = layer_places(network, LayerRules(1));
  for (size_t i = 0; i < layers.size(); ++i) {
    if (is_binary(places[i], layers[i].second->weight_source())) {
      names.insert(places[i].path + ".weight");
    }
  }
  return names;
}

std::unique_ptr<Optimizer> HysteresisMethod::make_optimizer(Network& network, const SgdOptions& options) {
  if (is_published()) {
    return std::make_unique<PublishedOptimizer>(network, options, threshold_, binary_weights(network));
  }
  const LoopThreshold threshold{threshold_, threshold_rule_.value_or("relative") == "relative"};
  return std::make_unique<LoopOptimizer>(network, options, threshold);
}

std::vector<std::string> HysteresisMethod::metric_names() const {
  return is_published() ? std::vector<std::string>() : std::vector<std::string>{"Held %"};
}

// The share of binary weights that the loop holds at another sign than that of their hidden weight.
std::vector<double> HysteresisMethod::measure(Network& network, const StepSums& /*sums*/, double /*steps*/,
                                              const Sizes& /*sizes*/) const {
  if (is_published()) {
    return {};
  }
  double held = 0, weights = 0;
  for (const auto& ref : coded_sources(network)) {
    const auto* weight = dynamic_cast<const MasterWeight*>(&ref.source());
    const auto* quantizer =
        weight == nullptr ? nullptr : dynamic_cast<const HysteresisQuantizer*>(weight->quantizer());
    if (quantizer != nullptr) {
      const auto product = weight->tensor().detach() * quantizer->signs().mul(2.0).sub_(1);
      held += product.lt(0).sum().item<double>();
      weights += static_cast<double>(product.numel());
    }
  }
  return {weights > 0 ? 100 * held / weights : 0};
}

}  // namespace

void register_hysteresis() {
  register_weight_source(HysteresisQuantizer::kKind, HysteresisQuantizer::load);
  register_activation(FixedMap::kKind, [](const NetworkDescription& description) {
    return std::make_unique<FixedMap>(description.activation_bits);
  });
  register_activation(PactMap::kKind, [](const NetworkDescription& description) {
    return std::make_unique<PactMap>(description.activation_bits);
  });
  register_method({HysteresisQuantizer::kKind,
                   "trains 1-bit weights that change their sign with hysteresis, and low-bit feature maps",
                   "the code Quantized_ResNet", [] { return std::make_unique<HysteresisMethod>(); }});
}

}  // namespace bsq
