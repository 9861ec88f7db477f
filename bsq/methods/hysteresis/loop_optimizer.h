#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

#include "bsq/methods/hysteresis/alpha_steps.h"
#include "bsq/methods/hysteresis/hysteresis_rule.h"
#include "bsq/nn/optimizer.h"

namespace bsq {

/// Momentum SGD of the hidden weights and of everything float; weight decay acts on hidden weights (the
/// published code decays the visible ones). After the step every kept sign follows its hidden weight
/// (follow()), and the alphas of feature maps take their own step.
class LoopOptimizer : public Optimizer {
 public:
  LoopOptimizer(torch::nn::Module& network, const SgdOptions& options, const LoopThreshold& threshold);

  void zero_grad() override;
  void step(double learning_rate) override;
  std::map<std::string, torch::Tensor> state() const override { return rest_.state(); }
  void load(const std::map<std::string, torch::Tensor>& state) override { rest_.load(state); }

 private:
  struct Layer {
    torch::Tensor hidden, signs;
  };

  LoopThreshold threshold_;
  AlphaSteps alphas_;
  Sgd rest_;
  std::vector<Layer> layers_;
};

}  // namespace bsq
