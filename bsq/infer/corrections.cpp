#include "bsq/infer/corrections.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <utility>

namespace bsq::infer {
namespace {

constexpr int16_t kLeast = std::numeric_limits<int8_t>::min(), kMost = std::numeric_limits<int8_t>::max();

/// Steps one after another, each (lane, 2): a step adds two products to each lane.
struct Steps {
  const int8_t* weights;
  int64_t count;
};

// A lane's sum is at most the positive or the negative products of all its codes.
bool fits(const Steps& steps, size_t lanes, int32_t high, int64_t period) {
  std::vector<int64_t> above(lanes), below(lanes);
  for (int64_t step = 0; step < steps.count; ++step) {
    if (step % period == 0) {
      above.assign(lanes, 0);
      below.assign(lanes, 0);
    }
    const int8_t* of = steps.weights + static_cast<size_t>(step) * 2 * lanes;
    for (size_t i = 0; i < 2 * lanes; ++i) {
      auto& sum = (of[i] > 0 ? above : below)[i / 2];
      sum += int64_t{of[i]} * high;
      if (sum > std::numeric_limits<int16_t>::max() || sum < std::numeric_limits<int16_t>::min()) {
        return false;
      }
    }
  }
  return true;
}

/// The longest number of steps, halved from `most`, whose 16-bit sums are exact in every block; 0: not even
/// one. Blocks are asked for each period anew: what fits an odd period need not fit half of it, whose spans
/// lie elsewhere.
int64_t longest_period(const std::vector<Steps>& blocks, int64_t most, int64_t lanes, int32_t high) {
  for (int64_t period = most; period >= 1; period /= 2) {
    const auto is_exact = [&](const Steps& steps) {
      return fits(steps, static_cast<size_t>(lanes), high, period);
    };
    if (std::all_of(blocks.begin(), blocks.end(), is_exact)) {
      return period;
    }
  }
  return 0;
}

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
  const auto block = static_cast<size_t>(numbers * kBlock);
  for (size_t i = 0; i < rest.size(); i += block) {
    made.first.push_back(static_cast<int64_t>(made.offsets.size()));
    Block(rest.data() + i, numbers).correct(run, made);
  }
  made.first.push_back(static_cast<int64_t>(made.offsets.size()));
  std::vector<Steps> blocks;
  for (size_t i = 0; i + 1 < made.first.size(); ++i) {
    blocks.push_back(
        {made.weights.data() + made.first[i] * kBlock * kPicks, made.first[i + 1] - made.first[i]});
  }
  made.period = longest_period(blocks, std::max<int64_t>(1, made.first.back()), kBlock, high);
  return made;
}

/// What the routes of a layer cost.
class Comparison {
 public:
  Comparison(const Costs& costs, int64_t numbers, int64_t blocks)
      : costs_(costs), quads_(numbers / 4 * blocks), words_(numbers / 2 * blocks * costs.pair) {}

  // Whether corrections alone cost more than `words`: seen without making them, which takes memory for each
  // piece of a weight.
  bool are_too_many(const std::vector<int16_t>& rest) const {
    int64_t pieces = 0;
    for (const int16_t weight : rest) {
      pieces += (std::abs(int64_t{weight}) + kMost) / (kMost + 1);
    }
    return pieces / (kBlock * kPicks) * costs_.correction >= words_;
  }

  bool is_faster(const SplitWeights& split) const {
    const auto& corrections = split.corrections;
    if (split.period == 0 || corrections.period == 0) {
      return false;
    }
    const int64_t flushes = costs_.sums_in_32_bits ? 0 : quads_ / split.period,
                  count = corrections.first.back();
    const int64_t cost = quads_ * costs_.quad + flushes * costs_.flush + count * costs_.correction +
                         count / corrections.period * costs_.flush;
    return cost < words_;
  }

 private:
  const Costs& costs_;
  int64_t quads_, words_;
};

}  // namespace

SplitWeights split_weights(const std::vector<int16_t>& packed, int64_t numbers, int64_t run, int32_t high,
                           const Costs& costs) {
  SplitWeights split;
  split.bytes.resize(packed.size());
  auto rest = packed;
  for (size_t i = 0; i < packed.size(); ++i) {
    split.bytes[i] = static_cast<int8_t>(std::clamp(packed[i], kLeast, kMost));
    rest[i] = static_cast<int16_t>(packed[i] - split.bytes[i]);
  }
  const auto block = static_cast<size_t>(numbers * kBlock);
  std::vector<Steps> blocks;
  for (size_t i = 0; i < split.bytes.size(); i += block) {
    blocks.push_back({split.bytes.data() + i, numbers / 4});
  }
  split.period = costs.sums_in_32_bits ? numbers / 4 : longest_period(blocks, numbers / 4, 2 * kBlock, high);
  const Comparison comparison(costs, numbers, static_cast<int64_t>(blocks.size()));
  if (comparison.are_too_many(rest)) {
    return split;
  }
  split.corrections = corrections_of(rest, numbers, run, high);
  split.is_faster = comparison.is_faster(split);
  return split;
}

}  // namespace bsq::infer
