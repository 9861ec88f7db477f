#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

#include "bsq/nn/master_weight.h"
#include "bsq/nn/optimizer.h"
#include "bsq/nn/step_rule.h"

namespace bsq {

/// torch::optim::SGD's rule for a network on fixed grids (GridQuantizer), with steps as StepRule::kRelative
/// has them. Scales of one number or one a channel; they stay positive where they were.
class GridOptimizer : public Optimizer {
 public:
  /// `norms`: by the weight's name, |W| of layers in front of a batch norm; 0-dimensional, float64, on the
  /// CPU.
  GridOptimizer(torch::nn::Module& network, const SgdOptions& options,
                const std::map<std::string, torch::Tensor>& norms);

  void zero_grad() override;
  void step(double learning_rate) override;
  std::map<std::string, torch::Tensor> state() const override;
  void load(const std::map<std::string, torch::Tensor>& state) override;

 private:
  struct Group {
    std::string scale_name;
    torch::Tensor q, scale;
    CodeFormat format;
    torch::Tensor momentum;  // of log s
    torch::Tensor norm;      // undefined: the scale is trained
  };

  void step_scale(Group& group, double learning_rate);

  SgdOptions options_;
  std::vector<Group> groups_;
  Sgd rest_;
};

}  // namespace bsq
