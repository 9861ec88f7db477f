#include <torch/utils.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <set>
#include <string>

#include "bsq/base/options.h"
#include "bsq/methods/int8/int8_activation.h"
#include "bsq/methods/int8/int8_gradient.h"
#include "bsq/methods/int8/int8_quantizer.h"
#include "bsq/methods/int8/published_start.h"
#include "bsq/methods/int8/range_norm.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/norm_factory.h"

namespace bsq {
namespace {

/// 8-bit training: weights, activations, norms and gradients have 8 bits, in every layer.
class Int8Method : public Method {
 public:
  std::string name() const override { return Int8Quantizer::kKind; }
  void add_options(OptionTable& table) override;
  std::optional<int64_t> default_activation_bits() const override { return 8; }
  void begin(Network& network, const Start& start) override;
  void adopt(Network& network) override { install_gradients(network); }
  std::unique_ptr<Optimizer> make_optimizer(Network& network, const SgdOptions& options) override;
  void after_step(Network& network, StepSums& sums) override;
  Slots state() override;

 protected:
  void adapt(NetworkDescription& description) const override;
  Parts parts(const LayerPlace& place, const WeightSource& weight) const override;

 private:
  int64_t bias_bits(const LayerPlace& place) const;
  SharedGradientQuantizer gradient(uint64_t tensor) const;
  void install_gradients(Network& network) const;

  int64_t gradient_bits_ = 8;
  std::string bifurcation_ = "on";
  std::string decay_on_ = "weights";
  bool published_start_ = false;
  NetworkDescription description_;
  std::shared_ptr<NoiseCounter> noise_ = std::make_shared<NoiseCounter>();
};

void Int8Method::add_options(OptionTable& table) {
  table
      .add("gradient-bits", &gradient_bits_,
           "bit width of the gradients that layers and norms pass on; 0: not quantized")
      .range(0, kMaxBits)
      .only_training()
      .resume(ResumeRule::kFixed);
  table
      .add("bifurcation", &bifurcation_,
           "on: gradients of weights are made of the gradient before its quantization; off: after it")
      .one_of({"on", "off"})
      .needs([this] { return gradient_bits_ > 0 ? "" : "no effect with --gradient-bits 0"; })
      .only_training()
      .resume(ResumeRule::kFixed);
  table
      .add("decay-on", &decay_on_,
           "weight decay on the weights of layers alone, as published, or on all parameters")
      .one_of({"weights", "all"})
      .only_training()
      .resume(ResumeRule::kFixed);
  table
      .add("published-start", &published_start_,
           "begin as published: gain 0 in the last norm of each residual block, the last layer drawn from "
           "N(0, "
           "0.01) with bias 0")
      .only_training()
      .resume(ResumeRule::kFixed);
}

void Int8Method::adapt(NetworkDescription& description) const {
  description.activation = Int8Activation::kKind;
  description.activation_place = ActivationPlace::kEveryInput;
  description.norm = RangeNorm::kKind;
}

void Int8Method::begin(Network& network, const Start& start) {
  torch::NoGradGuard no_grad;
  description_ = network.description();
  if (published_start_ && start.is_training) {
    take_published_start(network);
  }
  Method::begin(network, start);
  noise_->draw_seed();
  install_gradients(network);
}

Parts Int8Method::parts(const LayerPlace& place, const WeightSource&) const {
  Parts parts;
  if (place.bits > 0) {
    parts.weight = std::make_unique<Int8Quantizer>(place.bits);
    parts.bias = std::make_unique<Int8Quantizer>(bias_bits(place));
  }
  return parts;
}

// Those of a product of input and weight, as far as codes can hold them.
int64_t Int8Method::bias_bits(const LayerPlace& place) const {
  const int64_t input_bits = activation_bits_at(description_, place.path + "_input");
  return input_bits == 0 ? kMaxBits : std::min(kMaxBits, input_bits + place.bits);
}

SharedGradientQuantizer Int8Method::gradient(uint64_t tensor) const {
  return gradient_bits_ == 0 ? nullptr
                             : std::make_shared<Int8Gradient>(gradient_bits_, noise_, tensor,
                                                              /*is_for_weights=*/bifurcation_ == "off");
}

// Layers that the user keeps float have float gradients too.
void Int8Method::install_gradients(Network& network) const {
  uint64_t tensor = NoiseCounter::first_tensor();
  for (const auto& module : network.modules(/*include_self=*/false)) {
    auto* layer = dynamic_cast<QuantLayer*>(module.get());
    if (layer != nullptr && !layer->weight_source().is_float()) {
      layer->set_gradient(gradient(tensor++));
    } else if (auto* norm = dynamic_cast<RangeNorm*>(module.get())) {
      norm->set_gradient(gradient(tensor++));
    }
  }
}

std::unique_ptr<Optimizer> Int8Method::make_optimizer(Network& network, const SgdOptions& options) {
  std::set<std::string> undecayed;
  if (decay_on_ == "weights") {
    for (const auto& item : network.named_parameters()) {
      undecayed.insert(item.key());
    }
    for (const auto& [path, layer] : quant_layers(network)) {
      undecayed.erase(path + ".weight");
    }
  }
  return std::make_unique<Sgd>(network, options, /*without=*/std::set<std::string>(), undecayed);
}

void Int8Method::after_step(Network&, StepSums&) { noise_->next_step(); }

Slots Int8Method::state() { return noise_->slots(); }

}  // namespace

void register_int8() {
  register_weight_source(Int8Quantizer::kKind, Int8Quantizer::load);
  register_activation(Int8Activation::kKind, [](const NetworkDescription& description) {
    return std::make_unique<Int8Activation>(description.activation_bits);
  });
  register_norm(RangeNorm::kKind, [](int64_t channels, const NetworkDescription& description) {
    return std::make_shared<RangeNorm>(RangeNormOptions(channels).input_bits(description.activation_bits));
  });
  register_method({Int8Quantizer::kKind, "trains with weights, activations and gradients of 8 bits",
                   "Banner et al., NeurIPS 2018, arXiv 1805.11046",
                   [] { return std::make_unique<Int8Method>(); }});
}

}  // namespace bsq
