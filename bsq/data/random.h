#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace bsq {

/// splitmix64's finalizer: a bijection of the 64-bit words in which every input bit reaches every output bit.
inline uint64_t mix_bits(uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ULL;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
  return word ^ (word >> 31);
}

/// What a stream of random numbers is for. Streams of different purpose never meet, whatever the seed.
enum class RandomPurpose : uint64_t {
  kShuffle = 1,
  kPlacement = 2,
  kValidation = 3,
  kSynthetic = 4,
  kCrop = 5,
  kCutout = 6,
  kMix = 7,
  kRanks = 8
};

/// A small portable generator (splitmix64): the same numbers on every machine and with every compiler.
class Random {
 public:
  explicit Random(uint64_t state) : state_(state) {}

  /// The stream that belongs to a seed, a purpose and two counters (an epoch and a position, say), and to
  /// nothing else.
  Random(uint64_t seed, RandomPurpose purpose, uint64_t a = 0, uint64_t b = 0)
      : state_(mix_bits(seed + kStep)) {
    for (const uint64_t word : {static_cast<uint64_t>(purpose), a, b}) {
      state_ = mix_bits((state_ ^ word) + kStep);
    }
  }

  uint64_t next() { return mix_bits(state_ += kStep); }

  /// Uniform in [0, bound), for bound in [1, 2^32]; the bias is below bound / 2^32.
  int64_t below(int64_t bound) {
    return static_cast<int64_t>(((next() >> 32) * static_cast<uint64_t>(bound)) >> 32);
  }

  /// Uniform in [0, 1), in steps of 2^-53.
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// Uniform in [low, high], both ends included.
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15ULL;
  uint64_t state_;
};

/// The numbers 0 to count - 1 in random order (Fisher-Yates).
inline std::vector<int64_t> random_permutation(int64_t count, Random random) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t left = count; left > 1; --left) {
    std::swap(order[static_cast<size_t>(left - 1)], order[static_cast<size_t>(random.below(left))]);
  }
  return order;
}

}  // namespace bsq
