#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

#include "bsq/methods/bsq/plane_weight.h"
#include "bsq/nn/optimizer.h"

namespace bsq {

/// torch::optim::SGD's rule for a network in bit planes. Planes take one fused pass over memory
/// (bsq/methods/bsq/plane_kernels.h) with the penalty's gradient and the clamp to [0, 2]; everything else is
/// trained by Sgd.
class PlaneOptimizer : public Optimizer {
 public:
  /// `alpha`: the regularization strength; 0: no penalty.
  PlaneOptimizer(torch::nn::Module& network, const SgdOptions& options, double alpha);

  void zero_grad() override;
  void step(double learning_rate) override;
  std::map<std::string, torch::Tensor> state() const override;
  void load(const std::map<std::string, torch::Tensor>& state) override;

  /// sum_l (N_l n_l) B_l / N, N_l of N weights, before the last step, without alpha; before any step: now.
  double group_norms() const { return group_norms_; }

 private:
  struct Group {
    std::string positive_name, negative_name;  // registered names
    PlaneWeight* weight;
    double factor;  // penalty_factor()
    torch::Tensor momentum_positive, momentum_negative, squares;
  };

  void step_group(Group& group, double learning_rate);
  double current_group_norms() const;
  NamedTensors plane_momenta() const;

  SgdOptions options_;
  double alpha_;
  std::vector<Group> groups_;
  Sgd rest_;
  double group_norms_ = 0;
};

}  // namespace bsq
