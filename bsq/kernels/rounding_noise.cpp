#include "bsq/kernels/rounding_noise.h"

#include <torch/utils.h>

#include <stdexcept>

namespace bsq {
namespace {

constexpr int64_t kMask = 0xffffffff;

// splitmix64's finalizer: seeds and counters that differ in one bit give unrelated keys.
uint64_t mix64(uint64_t z) {
  z += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// 32-bit words in int64, which every device has.
torch::Tensor shifted(const torch::Tensor& x, int64_t bits) {
  return x.bitwise_right_shift(torch::scalar_tensor(bits, x.options()));
}
torch::Tensor times(const torch::Tensor& x, int64_t factor) { return x.mul(factor).bitwise_and(kMask); }

torch::Tensor mix(torch::Tensor x) {
  x = times(x.bitwise_xor(shifted(x, 16)), 0x7feb352d);
  x = times(x.bitwise_xor(shifted(x, 15)), 0x846ca68b);
  return x.bitwise_xor(shifted(x, 16));
}

}  // namespace

NoiseKey noise_key(uint64_t seed, uint64_t step, uint64_t tensor) {
  const uint64_t key = mix64(mix64(mix64(seed) ^ step) ^ tensor);
  return {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
}

torch::Tensor noise_like(const torch::Tensor& x, const NoiseKey& key) {
  if (!x.is_non_overlapping_and_dense()) {
    throw std::invalid_argument("noise: a tensor with gaps in memory; expected a dense one");
  }
  torch::NoGradGuard no_grad;
  const auto options = torch::dtype(torch::kInt64).device(x.device());
  auto word = torch::arange(x.numel(), options).bitwise_and(kMask);
  word = mix(word.bitwise_xor(static_cast<int64_t>(key.first)));
  word = mix(word.add(static_cast<int64_t>(key.second)).bitwise_and(kMask));
  const auto type = x.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const auto noise = shifted(word, 8).to(type).mul_(0x1p-24).sub_(0.5);
  return noise.as_strided(x.sizes(), x.strides());
}

}  // namespace bsq
