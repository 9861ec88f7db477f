#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/methods/dorefa/dorefa_activation.h"
#include "bsq/methods/dorefa/dorefa_gradient.h"
#include "bsq/methods/dorefa/dorefa_quantizer.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

/// DoReFa: fixed bit widths, no trained tensors of quantizers. First and last layer stay float unless
/// --layer-bits names them; biases, batch norm and shortcuts do too.
class DorefaMethod : public Method {
 public:
  std::string name() const override { return DorefaQuantizer::kKind; }
  void add_options(OptionTable& table) override;
  void check_rules(const LayerRules& rules) const override;
  void begin(Network& network, const Start& start) override;
  void adopt(Network& network) override { install_gradients(network); }
  void after_step(Network& network, StepSums& sums) override;
  Slots state() override;

 protected:
  void adapt(NetworkDescription& description) const override {
    description.activation = DorefaActivation::kKind;
    description.activation_place = ActivationPlace::kOutput;
  }
  Parts parts(const LayerPlace& place, const WeightSource& weight) const override;

 private:
  bool has_gradients() const { return gradient_bits_ > 0; }
  void install_gradients(Network& network) const;

  int64_t gradient_bits_ = 0;
  std::shared_ptr<NoiseCounter> noise_ = std::make_shared<NoiseCounter>();
};

void DorefaMethod::add_options(OptionTable& table) {
  table
      .add("gradient-bits", &gradient_bits_,
           "bit width of the gradients that layers with bits pass on; 0: not quantized")
      .range(0, DorefaGradient::kMostBits)
      .only_training()
      .resume(ResumeRule::kFixed);
}

void DorefaMethod::begin(Network& network, const Start& start) {
  Method::begin(network, start);
  if (has_gradients()) {
    noise_->draw_seed();
    install_gradients(network);
  }
}

// Layers that stay float, the first and the last one among them, have float gradients too.
void DorefaMethod::install_gradients(Network& network) const {
  uint64_t tensor = NoiseCounter::first_tensor();
  for (const auto& [path, layer] : quant_layers(network)) {
    if (has_gradients() && !layer->weight_source().is_float()) {
      layer->set_gradient(std::make_shared<DorefaGradient>(gradient_bits_, noise_, tensor++));
    }
  }
}

void DorefaMethod::after_step(Network& /*network*/, StepSums& /*sums*/) {
  if (has_gradients()) {
    noise_->next_step();
  }
}

Slots DorefaMethod::state() { return has_gradients() ? noise_->slots() : Slots(); }

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
