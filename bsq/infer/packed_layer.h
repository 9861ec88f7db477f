#pragma once

#include <cstdint>
#include <vector>

#include "bsq/infer/corrections.h"
#include "bsq/infer/kernels.h"
#include "bsq/infer/plan.h"

namespace bsq::infer {

/// How a layer's sums are computed.
enum class Route {
  kZero,            ///< every weight is 0: the shift alone
  kBytes,           ///< codes times int8
  kCorrectedBytes,  ///< the same, and corrections for weights beyond int8
  kWords,           ///< codes, as int16, times int16
  kReals,           ///< float
  kDepthwiseCodes,  ///< each channel alone; the sums of integers are exact in float
  kDepthwiseWords,  ///< the same in 16 bits
  kDepthwiseReals
};

/// A layer, or a pointwise step, in the form that the kernels read (bsq/infer/kernels.h).
struct PackedLayer {
  Route route = Route::kReals;
  std::vector<int8_t> bytes;
  std::vector<int16_t> words;
  std::vector<float> reals;
  std::vector<float> gain, shift;  ///< padded with zeros to whole blocks
  int64_t period = 0;              ///< of bytes
  StoredCorrections corrections;   ///< of bytes; offsets: as split_weights() gives them
};

/// Channels of a value in memory: a multiple of kLanes, of an image of few channels their number.
int64_t channels_in_memory(const Plan& plan, int value);

/// Grouped convolutions that are not depthwise become dense ones, with zeros between the groups: exact, but
/// no faster than these. `costs`: of the kernels that will run it. Throws bsq::Error for one that would take
/// more than 2^28 weights so.
PackedLayer pack_layer(const Plan& plan, const Step& step, const Costs& costs);

/// What a PackedLayer's name is in figures: "bytes".
const char* to_string(Route route);

}  // namespace bsq::infer
