#pragma once

#include <torch/types.h>

#include <cstdint>

namespace bsq {

/// Names a stream of random numbers. The number at a position is a function of key and position alone, so
/// there is no state: whoever knows the key gets the same numbers, in any order and on any count of threads.
struct NoiseKey {
  uint32_t first = 0, second = 0;
};

/// The key of one tensor in one step of a run.
NoiseKey noise_key(uint64_t seed, uint64_t step, uint64_t tensor);

/// Numbers of uniform distribution in [-0.5, 0.5), multiples of 2^-24, in x's shape, layout and type, on its
/// device. Each is given by its position p in x's memory, modulo 2^32: h = mix(mix(p ^ first) + second), of
/// which the upper 24 bits count. mix() is a bijection of 32 bits: x ^= x >> 16, x *= 0x7feb352d, x ^= x >>
/// 15, x *= 0x846ca68b, x ^= x >> 16. x has to be dense in memory.
torch::Tensor noise_like(const torch::Tensor& x, const NoiseKey& key);

}  // namespace bsq
