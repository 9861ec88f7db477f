#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "bsq/quant/activation.h"
#include "bsq/quant/uniform_activation.h"

namespace bsq {

using ActivationQuantizerOptions = UniformActivationOptions;

/// The module of a network's quantized activation. It begins as ReLU6 or PACT with uniform quantization
/// (UniformActivation); a method may put another activation in its place. The activation's slots are its
/// parameters and buffers.
class ActivationQuantizerImpl : public SlotModule {
 public:
  /// Throws std::invalid_argument for a bit width outside 0 to 32.
  explicit ActivationQuantizerImpl(const ActivationQuantizerOptions& options);
  /// `input`: what stands in front of it. The activation has been told.
  explicit ActivationQuantizerImpl(std::unique_ptr<Activation> activation, const ActivationInput& input = {});

  torch::Tensor forward(const torch::Tensor& x) { return activation_->forward(x, is_training()); }
  std::optional<ActivationCall> fused_call() const { return activation_->fused_call(is_training()); }
  void observe(const torch::Tensor& maximum) { activation_->observe(maximum, is_training()); }

  Activation& activation() { return *activation_; }
  const Activation& activation() const { return *activation_; }
  void set_activation(std::unique_ptr<Activation> activation);
  const ActivationInput& input() const { return input_; }

  Slots slots() const override { return activation_->slots(); }
  void pretty_print(std::ostream& stream) const override;

 private:
  std::unique_ptr<Activation> activation_;
  ActivationInput input_;
};
TORCH_MODULE(ActivationQuantizer);

}  // namespace bsq
