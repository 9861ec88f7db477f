#include <torch/utils.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/graph/conv_norms.h"
#include "bsq/graph/folded_norm.h"
#include "bsq/methods/registry.h"
#include "bsq/methods/sawb/pact_activation.h"
#include "bsq/methods/sawb/sawb_quantizer.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/nn/folded_weight.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

/// SAWB and PACT: fixed bit widths; a weight's clip comes from its statistics, an activation's is trained.
/// Every layer of weights has bits, the first and the last one and shortcuts too; biases and norms stay
/// float.
class SawbMethod : public Method {
 public:
  std::string name() const override { return SawbQuantizer::kKinds[0]; }
  void add_options(OptionTable& table) override;
  int64_t default_bits() const override { return 4; }
  /// Bit widths that SAWB has coefficients for.
  void check_rules(const LayerRules& rules) const override;
  /// The kind of its clips, and whether its norms are fused.
  std::map<std::string, std::string> form(Network& network) const override;
  void begin(Network& network, const Start& start) override;
  /// The optimizer has moved gamma.
  void after_step(Network& network, StepSums& sums) override;
  void after_estimate(Network& network) override;
  std::vector<std::string> metric_names() const override { return {"Alpha Reg"}; }
  /// The published penalty, which has no gradient: a_lambda times the sum of alpha^2.
  std::vector<double> measure(Network& network, const StepSums& sums, double steps,
                              const Sizes& sizes) const override;

 protected:
  void adapt(NetworkDescription& description) const override;
  Parts parts(const LayerPlace& place, const WeightSource& weight) const override;

 private:
  SawbKind kind_for(const LayerPlace& place, const WeightSource& weight) const;

  bool is_channel_wise_ = false;
  bool fuses_norm_ = false;
  std::string clip_ = "statistics";
  double alpha_start_ = PactActivation::kStart;
  double a_lambda_ = 5e-4;
};

bool has_kind(Network& network, const std::string& kind) {
  const auto sources = coded_sources(network);
  return std::any_of(sources.begin(), sources.end(), [&](const SourceRef& ref) {
    const auto found = ref.source().kind();
    return found == kind || found == kind + FoldedWeight::kSuffix;
  });
}

const char* kind_name(SawbKind kind) { return SawbQuantizer::kKinds[static_cast<int>(kind)]; }

// Whether sawb has stored it in training.
bool is_own(Network& network) {
  return std::any_of(std::begin(SawbQuantizer::kKinds), std::end(SawbQuantizer::kKinds),
                     [&](const char* kind) { return has_kind(network, kind); });
}

bool has_folded_weights(Network& network) {
  const auto sources = coded_sources(network);
  return std::any_of(sources.begin(), sources.end(), [](const SourceRef& ref) {
    return dynamic_cast<FoldedWeight*>(&ref.source()) != nullptr;
  });
}

// Every batch norm and the convolution that it goes into.
std::vector<ConvNorm> norms_to_fuse(Network& network) {
  if (network.program() == nullptr) {
    throw std::invalid_argument(
        "--fuse-norm: the forward pass is written by hand: nobody knows what reads a norm's value");
  }
  try {
    return conv_norms(*network.program());
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(std::string("--fuse-norm: ") + error.what());
  }
}

// Folded weights get the gains of their norms as these are now.
void update_gains(Network& network) {
  if (!has_folded_weights(network)) {
    return;
  }
  torch::NoGradGuard no_grad;
  for (const auto& pair : norms_to_fuse(network)) {
    if (auto* weight = folded_weight(*pair.layer)) {
      weight->set_gain(norm_gain(*pair.norm));
    }
  }
}

// A layer that the user keeps float stays as it is.
void fold(const ConvNorm& pair) {
  const auto* weight = dynamic_cast<const MasterWeight*>(&pair.layer->weight_source());
  if (weight != nullptr && weight->quantizer() != nullptr) {
    torch::NoGradGuard no_grad;
    pair.layer->set_weight(std::make_unique<FoldedWeight>(weight->tensor(), weight->quantizer()->clone(),
                                                          norm_gain(*pair.norm)));
  }
}

std::vector<PactActivation*> pact_activations(Network& network) {
  std::vector<PactActivation*> found;
  for (auto* quantizer : activation_quantizers(network)) {
    if (auto* pact = dynamic_cast<PactActivation*>(&quantizer->activation())) {
      found.push_back(pact);
    }
  }
  return found;
}

// Why an option of clips has no effect where the call leaves activations float.
std::function<std::string()> needs_clips(const OptionTable& table) {
  return [&table] {
    const auto* act = table.find("act");
    return act != nullptr && act->has_value() && act->text() == "0"
               ? "no effect with --act 0: float activations have no clip"
               : "";
  };
}

void SawbMethod::add_options(OptionTable& table) {
  table
      .add("channel-wise", &is_channel_wise_,
           "one clip an output channel of a convolution; shortcuts and linear layers keep one a layer")
      .needs([this] { return clip_ == "statistics" ? "" : "cannot go with --clip twice-mean, one a layer"; })
      .resume(ResumeRule::kFixed);
  table
      .add("fuse-norm", &fuses_norm_,
           "fold the gain of each batch norm into the convolution in front of it, before its weights are "
           "quantized; a step then computes each convolution twice")
      .resume(ResumeRule::kFixed);
  table
      .add(
          "clip", &clip_,
          "the clip of weights: statistics, as the method has it, or twice-mean, 2 mean|w|, as published for "
          "a VGG")
      .one_of({"statistics", "twice-mean"})
      .resume(ResumeRule::kFixed);
  table.add("pact-alpha", &alpha_start_, "initial clip of every activation that has none in the file")
      .range(PactActivation::kSmallestAlpha, 1e6)
      .needs(needs_clips(table))
      .only_training()
      .resume(ResumeRule::kFixed);
  table
      .add("a-lambda", &a_lambda_,
           "factor of the published penalty, the sum of alpha^2: a column of log.txt (Alpha Reg), without a "
           "gradient; --wd decays alpha")
      .range(0, 1e6)
      .needs(needs_clips(table))
      .only_training()
      .resume(ResumeRule::kFixed);
}

void SawbMethod::check_rules(const LayerRules& rules) const {
  const auto refuse = [](const std::string& named, int64_t bits) {
    if (!has_sawb_coefficients(bits)) {
      throw std::invalid_argument(named + std::to_string(bits) +
                                  ": expected 2, 3, 4, 5 or 8, as --method sawb needs");
    }
  };
  refuse("--bits ", rules.bits());
  for (const auto& [pattern, bits] : rules.layer_bits()) {
    refuse("--layer-bits " + pattern + "=", bits);
  }
}

void SawbMethod::adapt(NetworkDescription& description) const {
  description.activation = PactActivation::kKind;
  description.activation_place = ActivationPlace::kInput;
}

void SawbMethod::begin(Network& network, const Start& start) {
  if (is_own(network)) {
    adopt(network);
    return;
  }
  const auto pairs = fuses_norm_ ? norms_to_fuse(network) : std::vector<ConvNorm>();
  Method::begin(network, start);
  for (const auto& pair : pairs) {
    fold(pair);
  }
  for (auto* pact : pact_activations(network)) {
    if (pact->alpha().item<double>() == PactActivation::kStart) {  // training has not moved it
      pact->set_alpha(alpha_start_);
    }
  }
}

void SawbMethod::after_step(Network& network, StepSums& /*sums*/) { update_gains(network); }

// Of several ranks the statistics are means over the ranks now, and gains are no means of gains.
void SawbMethod::after_estimate(Network& network) { update_gains(network); }

std::map<std::string, std::string> SawbMethod::form(Network& network) const {
  if (!is_own(network)) {
    return {};
  }
  const auto text = [](bool is_so) { return is_so ? "true" : "false"; };
  const bool is_twice_mean = has_kind(network, kind_name(SawbKind::kTwiceMean));
  return {{"channel-wise", text(has_kind(network, kind_name(SawbKind::kChannel)))},
          {"clip", is_twice_mean ? "twice-mean" : "statistics"},
          {"fuse-norm", text(has_folded_weights(network))}};
}

Parts SawbMethod::parts(const LayerPlace& place, const WeightSource& weight) const {
  Parts parts;
  if (place.bits > 0) {
    parts.weight = std::make_unique<SawbQuantizer>(place.bits, kind_for(place, weight));
  }
  return parts;
}

SawbKind SawbMethod::kind_for(const LayerPlace& place, const WeightSource& weight) const {
  if (clip_ == "twice-mean") {
    return SawbKind::kTwiceMean;
  }
  const bool is_convolution = weight.shape().size() == 4;
  return is_channel_wise_ && is_convolution && place.role != LayerRole::kShortcut ? SawbKind::kChannel
                                                                                  : SawbKind::kLayer;
}

std::vector<double> SawbMethod::measure(Network& network, const StepSums& /*sums*/, double /*steps*/,
                                        const Sizes& /*sizes*/) const {
  torch::NoGradGuard no_grad;
  double sum = 0;
  for (const auto* pact : pact_activations(network)) {
    const double alpha = pact->alpha().item<double>();
    sum += alpha * alpha;
  }
  return {a_lambda_ * sum};
}

}  // namespace

void register_sawb() {
  for (const auto kind : {SawbKind::kLayer, SawbKind::kChannel, SawbKind::kTwiceMean}) {
    register_weight_source(SawbQuantizer::kKinds[static_cast<int>(kind)],
                           [kind](const StoredTensor& stored, const torch::TensorOptions& options) {
                             return SawbQuantizer::load(kind, stored, options);
                           });
    register_weight_source(std::string(SawbQuantizer::kKinds[static_cast<int>(kind)]) + FoldedWeight::kSuffix,
                           [kind](const StoredTensor& stored, const torch::TensorOptions& options) {
                             return SawbQuantizer::load_folded(kind, stored, options);
                           });
  }
  register_activation(PactActivation::kKind, [](const NetworkDescription& description) {
    return std::make_unique<PactActivation>(description.activation_bits);
  });
  register_method({SawbQuantizer::kKinds[0],
                   "trains weights whose clip comes from their statistics, and PACT's clips of activations",
                   "Choi et al., 2018, arXiv 1807.06964", [] { return std::make_unique<SawbMethod>(); }});
}

}  // namespace bsq
