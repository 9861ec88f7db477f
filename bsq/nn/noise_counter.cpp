#include "bsq/nn/noise_counter.h"

#include <torch/utils.h>

#include <limits>

#include "bsq/base/ranks.h"

namespace bsq {

void NoiseCounter::draw_seed() {
  torch::NoGradGuard no_grad;
  seed.copy_(torch::randint(std::numeric_limits<int64_t>::max(), {}, torch::kInt64));
}

void NoiseCounter::next_step() {
  torch::NoGradGuard no_grad;
  step.add_(1);
}

uint64_t NoiseCounter::first_tensor() {
  const auto* ranks = current_ranks();
  return ranks == nullptr ? 0 : static_cast<uint64_t>(ranks->rank()) << 32;
}

NoiseKey NoiseCounter::key(uint64_t tensor) const {
  return noise_key(static_cast<uint64_t>(seed.item<int64_t>()), static_cast<uint64_t>(step.item<int64_t>()),
                   tensor);
}

Slots NoiseCounter::slots() {
  return {{"noise_seed", seed, Slot::Role::kTracked}, {"noise_step", step, Slot::Role::kTracked}};
}

}  // namespace bsq
