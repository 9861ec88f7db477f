#include "bsq/base/ranks.h"

#include <torch/utils.h>

#include <utility>

namespace bsq {
namespace {

thread_local Ranks* current = nullptr;
thread_local Ranks* for_statistics = nullptr;

}  // namespace

torch::Tensor ordered_sum(Ranks& ranks, const torch::Tensor& tensor) {
  torch::NoGradGuard no_grad;
  const auto parts = ranks.gather(tensor.contiguous());
  auto sum = parts.front().clone();
  for (size_t i = 1; i < parts.size(); ++i) {
    sum.add_(parts[i]);
  }
  return sum;
}

torch::Tensor largest(Ranks& ranks, const torch::Tensor& tensor) {
  torch::NoGradGuard no_grad;
  return torch::stack(ranks.gather(tensor.contiguous())).amax(/*dim=*/0);
}

Ranks* current_ranks() { return current; }
RanksScope::RanksScope(Ranks* ranks) : before_(std::exchange(current, ranks)) {}
RanksScope::~RanksScope() { current = before_; }

Ranks* statistics_ranks() { return for_statistics; }
StatisticsScope::StatisticsScope(Ranks* ranks) : before_(std::exchange(for_statistics, ranks)) {}
StatisticsScope::~StatisticsScope() { for_statistics = before_; }

StepScope::StepScope(Ranks* ranks, Ranks::StepKind kind) : ranks_(ranks) {
  if (ranks_ != nullptr) {
    ranks_->begin_step(kind);
  }
}
StepScope::~StepScope() {
  if (ranks_ != nullptr) {
    ranks_->end_step();
  }
}

}  // namespace bsq
