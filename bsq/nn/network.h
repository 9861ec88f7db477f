#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <string>
#include <utility>

#include "bsq/nn/network_description.h"

namespace bsq {

class Program;

/// What the trainer and the tools need of a network.
class Network : public torch::nn::Module {
 public:
  explicit Network(NetworkDescription description) : description_(std::move(description)) {}

  /// Images (B, 3, H, W), normalized, to logits (B, classes).
  virtual torch::Tensor forward(const torch::Tensor& images) = 0;

  /// The flow that forward() runs (bsq/graph/program.h). Null for a network whose forward() is written by
  /// hand: it trains like any other, but it has no cost and cannot be exported.
  virtual const Program* program() const { return nullptr; }

  const NetworkDescription& description() const { return description_; }
  /// For who puts activations of another kind into the network's modules.
  void set_activation_kind(const std::string& kind) { description_.activation = kind; }
  /// The same for who changes their bit width.
  void set_activation_bits(int64_t bits) { description_.activation_bits = bits; }

 private:
  NetworkDescription description_;
};

}  // namespace bsq
