#include "bsq/infer/corrections.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace bsq::infer {
namespace {

constexpr int16_t kLeast = std::numeric_limits<int8_t>::min(), kMost = std::numeric_limits<int8_t>::max();

// Vector instructions of the AVX2 kernels for 4 pixels and 16 outputs.
constexpr int64_t kQuadCost = 22, kFlushCost = 24, kCorrectionCost = 18, kPairCost = 22;

/// The longest number of steps whose 16-bit sums are exact, halved from all of them; 0: not even one. A step
/// adds two products to each lane. Its sum is at most the positive or the negative products of all its codes.
class Period {
 public:
  Period(int64_t lanes, int32_t high) : lanes_(static_cast<size_t>(lanes)), high_(high) {}

  /// Of `count` steps one after another, each (lane, 2).
  void add(const int8_t* steps, int64_t count) {
    while (period_ > 0 && !fits(steps, count, std::min(period_, count))) {
      period_ = std::min(period_, count) / 2;
    }
  }
  int64_t longest(int64_t most) const { return std::min(period_, most); }

 private:
  bool fits(const int8_t* steps, int64_t count, int64_t period) const {
    std::vector<int64_t> above(lanes_), below(lanes_);
    for (int64_t step = 0; step < count; ++step) {
      if (step % period == 0) {
        above.assign(lanes_, 0);
        below.assign(lanes_, 0);
      }
      const int8_t* of = steps + static_cast<size_t>(step) * 2 * lanes_;
      for (size_t i = 0; i < 2 * lanes_; ++i) {
        auto& sum = (of[i] > 0 ? above : below)[i / 2];
        sum += int64_t{of[i]} * high_;
        if (sum > std::numeric_limits<int16_t>::max() || sum < std::numeric_limits<int16_t>::min()) {
          return false;
        }
      }
    }
    return true;
  }

  size_t lanes_;
  int32_t high_;
  int64_t period_ = std::numeric_limits<int64_t>::max();
};

/// What one block of outputs still lacks, and the corrections that give it.
class Block {
 public:
  /// `rest`: what is left, as weights are packed, from the block's first on.
  Block(const int16_t* rest, int64_t numbers) {
    for (int64_t k = 0; k < numbers; ++k) {
      for (int64_t output = 0; output < kBlock; ++output) {
        add(output, k, rest[(k / 4 * kBlock + output) * 4 + k % 4]);
      }
    }
  }

  // A window begins with the first number that some output lacks, and stays within its run.
  void correct(int64_t run, StoredCorrections& corrections) {
    for (int64_t begin = first_missing(); begin != kNothing; begin = first_missing()) {
      const int64_t end = std::min(begin + kWindow, (begin / run + 1) * run);
      corrections.offsets.push_back(begin);
      for (auto& missing : missing_) {
        for (int64_t pick = 0; pick < kPicks; ++pick) {
          const bool has_one = missing.next < missing.pieces.size() && missing.pieces[missing.next].k < end;
          const Piece piece = has_one ? missing.pieces[missing.next++] : Piece{begin, 0};
          corrections.places.push_back(static_cast<uint8_t>(piece.k - begin));
          corrections.weights.push_back(piece.weight);
        }
      }
    }
  }

 private:
  static constexpr int64_t kNothing = std::numeric_limits<int64_t>::max();
  struct Piece {
    int64_t k;
    int8_t weight;
  };
  struct Missing {
    std::vector<Piece> pieces;  ///< by k
    size_t next = 0;
  };

  void add(int64_t output, int64_t k, int32_t rest) {
    while (rest != 0) {
      const auto piece = static_cast<int8_t>(std::clamp<int32_t>(rest, kLeast, kMost));
      missing_[static_cast<size_t>(output)].pieces.push_back({k, piece});
      rest -= piece;
    }
  }
  int64_t first_missing() const {
    int64_t first = kNothing;
    for (const auto& missing : missing_) {
      if (missing.next < missing.pieces.size()) {
        first = std::min(first, missing.pieces[missing.next].k);
      }
    }
    return first;
  }

  std::array<Missing, kBlock> missing_;
};

StoredCorrections corrections_of(const std::vector<int16_t>& rest, int64_t numbers, int64_t run,
                                 int32_t high) {
  StoredCorrections made;
  Period period(kBlock, high);
  const auto block = static_cast<size_t>(numbers * kBlock);
  for (size_t i = 0; i < rest.size(); i += block) {
    const auto first = made.offsets.size();
    made.first.push_back(static_cast<int64_t>(first));
    Block(rest.data() + i, numbers).correct(run, made);
    period.add(made.weights.data() + first * kBlock * kPicks,
               static_cast<int64_t>(made.offsets.size() - first));
  }
  made.first.push_back(static_cast<int64_t>(made.offsets.size()));
  made.period = period.longest(std::max<int64_t>(1, made.first.back()));
  return made;
}

// Of all blocks.
bool is_faster(const SplitWeights& split, int64_t numbers) {
  const auto& corrections = split.corrections;
  if (split.period == 0 || corrections.period == 0) {
    return false;
  }
  const auto blocks = static_cast<int64_t>(corrections.first.size()) - 1;
  const int64_t quads = numbers / 4 * blocks, count = corrections.first.back();
  const int64_t cost = quads * kQuadCost + quads / split.period * kFlushCost + count * kCorrectionCost +
                       count / corrections.period * kFlushCost;
  return cost < numbers / 2 * blocks * kPairCost;
}

}  // namespace

SplitWeights split_weights(const std::vector<int16_t>& packed, int64_t numbers, int64_t run, int32_t high) {
  SplitWeights split;
  split.bytes.resize(packed.size());
  auto rest = packed;
  for (size_t i = 0; i < packed.size(); ++i) {
    split.bytes[i] = static_cast<int8_t>(std::clamp(packed[i], kLeast, kMost));
    rest[i] = static_cast<int16_t>(packed[i] - split.bytes[i]);
  }
  Period period(2 * kBlock, high);
  const auto block = static_cast<size_t>(numbers * kBlock);
  for (size_t i = 0; i < split.bytes.size(); i += block) {
    period.add(split.bytes.data() + i, numbers / 4);
  }
  split.period = period.longest(numbers / 4);
  split.corrections = corrections_of(rest, numbers, run, high);
  split.is_faster = is_faster(split, numbers);
  return split;
}

}  // namespace bsq::infer
