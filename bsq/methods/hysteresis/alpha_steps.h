#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace bsq {

/// The rate of PACT's alpha, and the strength of the penalty 1e-4 alpha^2 on it, as published. There is no
/// momentum and no schedule.
constexpr double kAlphaRate = 1e-2;
constexpr double kAlphaPenalty = 1e-4;

/// The steps of the alphas of a network's PactMaps: alpha -= 1e-2 (dalpha + 2e-4 alpha), at least
/// PactMap::kSmallestAlpha. The published code does this inside backward.
class AlphaSteps {
 public:
  explicit AlphaSteps(torch::nn::Module& network);

  /// Registered names: nobody else trains them.
  std::set<std::string> names() const;
  void zero_grad();
  void step();

 private:
  std::vector<std::pair<std::string, torch::Tensor>> alphas_;
};

}  // namespace bsq
