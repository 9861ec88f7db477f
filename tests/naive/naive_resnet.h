#pragma once

#include <torch/optim/sgd.h>
#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

#include "bsq/nn/network.h"

namespace bsq::naive {

/// The slow, obvious form of a ResNet of basic blocks in bits: planes are parameters, everything is one of
/// libtorch's own operations, and autograd makes every gradient. Written from the formulas of BSQ (Yang et
/// al., ICLR 2021) alone, sharing nothing with the layers and kernels that it is there to be compared with.
/// Computes in the type of its images (the weights are rounded to bfloat16 for bfloat16 images); activations
/// take each batch's own range, in evaluation too.
class NaiveResNet {
 public:
  /// Copies parameters and buffers. Throws std::invalid_argument unless it is such a ResNet in bits.
  explicit NaiveResNet(const Network& network);

  /// Images (B, 3, 32, 32) to logits (B, classes). In training batch norm uses and tracks the batch.
  torch::Tensor forward(const torch::Tensor& images, bool is_training);
  /// sum_l (#weights_l n_l) B_l / #weights, without alpha.
  torch::Tensor penalty() const;

  std::vector<torch::Tensor> parameters() const;
  /// The planes among them.
  std::vector<torch::Tensor> planes() const;

 private:
  torch::Tensor value(const std::string& layer, const std::string& noun) const;
  torch::Tensor convolve(const std::string& layer, const torch::Tensor& x, int64_t stride) const;
  torch::Tensor normalize(const std::string& layer, const torch::Tensor& x, bool is_training);
  torch::Tensor activate(const std::string& layer, const torch::Tensor& x) const;
  torch::Tensor block(const std::string& name, const torch::Tensor& x, int64_t stride, bool is_training);

  int64_t blocks_;
  int64_t activation_bits_;
  std::map<std::string, torch::Tensor> parameters_, buffers_;
};

struct StepOptions {
  double learning_rate, momentum, weight_decay, penalty;
};

/// One training step over all of it: forward, penalty, backward, torch::optim::SGD, clamp.
class NaiveStep {
 public:
  struct Result {
    double cross_entropy, penalty;
  };

  NaiveStep(const Network& network, const StepOptions& options);
  Result operator()(const torch::Tensor& images, const torch::Tensor& labels);

 private:
  NaiveResNet network_;
  double penalty_;
  torch::optim::SGD sgd_;
};

}  // namespace bsq::naive
