#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "bsq/methods/hysteresis/alpha_steps.h"
#include "bsq/nn/optimizer.h"

namespace bsq {

/// The published optimizer. The network is a float one; of each binary layer the optimizer keeps a hidden
/// weight h, a copy of the weight v at the start. A step takes the gradient g at v:
///     m = momentum m + (g + decay v),  h' = h - rate m,  v = published_weight(h, h', threshold).
/// So the first forward pass still sees float weights, and a weight may be neither sign. Other parameters
/// take momentum SGD, the alphas of feature maps their own step.
class PublishedOptimizer : public Optimizer {
 public:
  /// `binary`: registered names of the weights that become binary. `threshold`: absolute.
  PublishedOptimizer(torch::nn::Module& network, const SgdOptions& options, double threshold,
                     const std::set<std::string>& binary);

  void zero_grad() override;
  void step(double learning_rate) override;
  /// Momenta; a hidden weight is "NAME.hidden".
  std::map<std::string, torch::Tensor> state() const override;
  void load(const std::map<std::string, torch::Tensor>& state) override;

 private:
  struct Layer {
    std::string name;
    torch::Tensor visible, hidden, momentum;
  };
  NamedTensors own_tensors() const;

  SgdOptions options_;
  double threshold_;
  AlphaSteps alphas_;
  Sgd rest_;
  std::vector<Layer> layers_;
};

}  // namespace bsq
