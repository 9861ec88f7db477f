#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bsq/methods/bsq/plane_bank.h"
#include "bsq/methods/bsq/plane_group.h"
#include "bsq/methods/bsq/plane_weight.h"
#include "bsq/nn/optimizer.h"
#include "bsq/nn/step_rule.h"

namespace bsq {

/// What the planes' steps depend on beside torch::optim::SGD's numbers. With StepRule::kRelative the planes'
/// gradient is divided by s^2 2 sum_b f_b^2, f_b = 2^(n-1-b) / (2^n - 1): what makes W's step that of a float
/// weight. Tensors are 0-dimensional and float64.
/// Sensitivities lie on the planes' device, the others on the CPU. The optimizer reads and writes them in
/// place, so that their owner can change and save them.
struct PlaneRule {
  StepRule step = StepRule::kPublished;
  double alpha = 0;           ///< strength of the penalty
  torch::Tensor has_penalty;  ///< 0: no penalty, whatever alpha is; undefined: 1
  /// By the weight's name ("layer1.0.conv1.weight"), with kRelative: |W| of a layer in front of a batch norm.
  std::map<std::string, torch::Tensor> norms;
  /// By the weight's name, for all or none: |dL/dW|^2 / weights, averaged over the steps with a factor of
  /// 0.99.
  std::map<std::string, torch::Tensor> sensitivities;
};

/// A tensor of the kind that PlaneRule holds.
torch::Tensor rule_number(double value, const torch::Device& device = torch::kCPU);
/// The published rule.
PlaneRule published_rule(double alpha);

/// How an optimizer works on planes: tensor by tensor in fused loops of the CPU, or on a PlaneBank.
enum class PlaneMemory {
  kOfDevice,  ///< by tensors on the CPU, else a bank
  kBank
};

/// torch::optim::SGD's rule for a network in bit planes. On the CPU planes take one fused pass over memory
/// (bsq/methods/bsq/plane_kernels.h) with the penalty's gradient and the clamp to [0, 2], elsewhere few
/// operations over all of them (PlaneBank); everything else is trained by Sgd. With kRelative a weight whose
/// planes are all 0 stays as it is.
class PlaneOptimizer : public Optimizer {
 public:
  /// With PlaneMemory::kOfDevice the planes' device decides.
  PlaneOptimizer(torch::nn::Module& network, const SgdOptions& options, const PlaneRule& rule,
                 PlaneMemory memory = PlaneMemory::kOfDevice);
  PlaneOptimizer(const PlaneOptimizer&) = delete;  // the bank refers to the groups
  PlaneOptimizer& operator=(const PlaneOptimizer&) = delete;

  void zero_grad() override;
  void step(double learning_rate) override;
  std::map<std::string, torch::Tensor> state() const override;
  void load(const std::map<std::string, torch::Tensor>& state) override;

  /// Momenta that an optimizer for the same network with other planes can go on with: of dL/dW by the
  /// weights' names, of everything else under its own. Of kRelative.
  std::map<std::string, torch::Tensor> momenta_of_values() const;
  void take_momenta_of_values(const std::map<std::string, torch::Tensor>& momenta);

  /// sum_l (N_l n_l) B_l / N, N_l of N weights, before the last step, without alpha; before any step: now.
  double group_norms() const;

 private:
  bool is_relative() const { return rule_.step == StepRule::kRelative; }
  double alpha() const;
  void step_group(PlaneGroup& group, double learning_rate);
  void step_scale(PlaneGroup& group, double learning_rate, double gradient);
  double current_group_norms() const;
  NamedTensors own_momenta() const;

  SgdOptions options_;
  PlaneRule rule_;
  std::vector<PlaneGroup> groups_;
  std::unique_ptr<PlaneBank> bank_;  // or none
  Sgd rest_;
  double group_norms_ = 0;
};

}  // namespace bsq
