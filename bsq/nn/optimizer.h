#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bsq/kernels/sgd_step.h"

namespace bsq {

/// Trains a network's tensors as they are now: whoever puts other weight sources in place makes a new
/// optimizer.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  virtual void zero_grad() = 0;
  virtual void step(double learning_rate) = 0;
  /// Momentum buffers by the trained tensor's registered name.
  virtual std::map<std::string, torch::Tensor> state() const = 0;
  /// Throws std::invalid_argument where names or shapes are not this network's.
  virtual void load(const std::map<std::string, torch::Tensor>& state) = 0;
};

/// What torch::optim::SGD's rule takes beside the learning rate.
struct SgdOptions {
  double momentum = 0.9;
  double weight_decay = 0;
  bool is_nesterov = false;
};

/// How one parameter is trained: its factors of the learning rate and of the weight decay. With a rate of 0
/// it stays as it is, whatever its momentum.
struct SgdShare {
  double rate = 1;
  double decay = 1;
};
/// The share of the parameter of this registered name.
using SgdShares = std::function<SgdShare(const std::string& name)>;

/// torch::optim::SGD's rule (no dampening) for every parameter of a network that requires a
/// gradient, slots clamped to their limits after the step. Weight decay acts on all of them.
class Sgd : public Optimizer {
 public:
  /// `without`: registered names of parameters that somebody else trains.
  /// `undecayed`: those without weight decay.
  Sgd(torch::nn::Module& network, const SgdOptions& options, const std::set<std::string>& without = {},
      const std::set<std::string>& undecayed = {});
  /// Every parameter that requires a gradient, with its own share.
  Sgd(torch::nn::Module& network, const SgdOptions& options, const SgdShares& shares);

  void zero_grad() override;
  void step(double learning_rate) override;
  std::map<std::string, torch::Tensor> state() const override;
  void load(const std::map<std::string, torch::Tensor>& state) override;

 private:
  void add_groups(torch::nn::Module& network, const std::set<std::string>& without, const SgdShares& shares);

  struct Group {
    std::string name;
    torch::Tensor tensor, momentum;
    ClampLimits limits;
    double rate, weight_decay;
  };

  void step_together(double learning_rate);

  SgdOptions options_;
  std::vector<Group> groups_;
};

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;
/// Copies of the tensors on the CPU.
std::map<std::string, torch::Tensor> copy_tensors(const NamedTensors& tensors);
/// Fills the tensors. Throws std::invalid_argument, which begins with "optimizer state", where names or
/// shapes differ.
void fill_tensors(const NamedTensors& tensors, const std::map<std::string, torch::Tensor>& values);

}  // namespace bsq
