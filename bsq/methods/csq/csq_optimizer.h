#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

#include "bsq/nn/optimizer.h"

namespace bsq {

/// Sgd for a network with CsqWeights. The gradients of planes are divided by CsqWeight::step_size() as it is
/// when the optimizer is made, so that the learning rate means what it does for float weights. No weight
/// decay acts on planes, masks and scales: it would draw sigmoids to 1/2.
class CsqOptimizer : public Optimizer {
 public:
  CsqOptimizer(torch::nn::Module& network, const SgdOptions& options);

  void zero_grad() override { rest_.zero_grad(); }
  void step(double learning_rate) override;
  std::map<std::string, torch::Tensor> state() const override;
  /// Also takes the step sizes.
  void load(const std::map<std::string, torch::Tensor>& state) override;

 private:
  struct Planes {
    std::string name;
    torch::Tensor positive, negative;
    torch::Tensor step_size;  // 0-dimensional, float64
  };

  std::vector<Planes> planes_;
  Sgd rest_;
};

}  // namespace bsq
