#pragma once

#include <cstdint>
#include <vector>

#include "bsq/infer/kernels.h"

namespace bsq::infer {

/// The numbers of Corrections (bsq/infer/kernels.h).
struct StoredCorrections {
  std::vector<int64_t> first, offsets;
  std::vector<uint8_t> places;
  std::vector<int8_t> weights;
  int64_t period = 0;

  Corrections view() const { return {first.data(), offsets.data(), places.data(), weights.data(), period}; }
};

/// Integer weights as int8 and what int8 leaves of them.
struct SplitWeights {
  std::vector<int8_t> bytes;
  int64_t period = 0;             ///< quads of bytes whose sums are exact; 0: not one quad
  StoredCorrections corrections;  ///< offsets: numbers k of the window, 0 to run * taps
  bool is_faster = false;         ///< than 16-bit products, by the count of vector instructions
};

/// Splits weights that are packed as bytes are (bsq/infer/kernels.h), each from -32768 to 32767. `numbers`:
/// those of one output, taps * run. `high`: the largest code of the input. The products of bytes and of
/// corrections are exact in 16 bits for their periods, whatever the codes are; those of bytes are not asked
/// for where the kernels add them in 32 bits.
SplitWeights split_weights(const std::vector<int16_t>& packed, int64_t numbers, int64_t run, int32_t high,
                           const Costs& costs);

}  // namespace bsq::infer
