#pragma once

#include <torch/torch.h>

#include "bsq/nn/network_description.h"
#include "bsq/quant/activation_quantizer.h"

namespace bsq {

/// What the trainer and the tools need of a network.
class Network : public torch::nn::Module {
 public:
  explicit Network(NetworkDescription description) : description_(std::move(description)) {}

  /// Images (B, 3, H, W), normalized, to logits (B, classes).
  virtual torch::Tensor forward(const torch::Tensor& images) = 0;

  const NetworkDescription& description() const { return description_; }

 private:
  NetworkDescription description_;
};

/// The activation, quantized and with its range, that a description asks for: what --act and --act-range say.
ActivationQuantizer make_activation(const NetworkDescription& description);

}  // namespace bsq
