#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bsq/nn/network.h"
#include "bsq/nn/network_bits.h"

namespace bsq {

struct BsqOptimizerOptions {
  TORCH_ARG(double, learning_rate) = 0.1;
  TORCH_ARG(double, momentum) = 0.9;
  TORCH_ARG(double, weight_decay) = 0.0;
  /// alpha, the regularization strength; 0: no penalty.
  TORCH_ARG(double, penalty) = 0.0;
};

/// torch::optim::SGD's rule (no Nesterov, no dampening) for every trainable tensor of a network, in whichever
/// representation its layers are. Planes take one fused pass (bsq/methods/bsq/plane_kernels.h) with the
/// penalty's gradient and the clamp to [0, 2]; frozen q is clamped to [-1, 1] after the step; weight decay
/// acts on all parameters.
///
/// Sets layers in bits to GradientMode::kWeight. Holds tensors of the network as it is now: whoever changes a
/// representation or a width makes a new optimizer.
class BsqOptimizer {
 public:
  BsqOptimizer(Network& network, const BsqOptimizerOptions& options);

  void zero_grad();
  void step();

  /// sum_l (#weights_l n_l) B_l / #weights before the last step, without alpha; before any step: now. 0
  /// unless in bits.
  double penalty() const { return penalty_; }

  void set_learning_rate(double rate) { options_.learning_rate(rate); }
  /// Momentum buffers by parameter name.
  std::map<std::string, torch::Tensor> state() const;
  /// Throws std::invalid_argument where names or shapes are not this network's.
  void load(const std::map<std::string, torch::Tensor>& state);

 private:
  struct PlaneGroup {
    std::string name;
    BitParameter* parameter;
    double factor;  // penalty_factor()
    torch::Tensor momentum_positive, momentum_negative, squares;
  };
  struct TensorGroup {
    std::string name;
    torch::Tensor tensor, momentum;
    bool is_frozen_value;
  };

  void add_tensor(const std::string& name, const torch::Tensor& tensor, bool is_frozen_value = false);
  void add_bits(const std::string& name, BitParameter& parameter, int64_t all_weights);
  void step_group(PlaneGroup& group);
  void step_group(TensorGroup& group);
  double current_penalty() const;
  std::vector<std::pair<std::string, torch::Tensor>> momentum_tensors() const;

  BsqOptimizerOptions options_;
  std::vector<PlaneGroup> planes_;
  std::vector<TensorGroup> tensors_;
  double penalty_ = 0;
};

}  // namespace bsq
