#include "bsq/infer/packed_layer.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

#include "bsq/base/error.h"

namespace bsq::infer {
namespace {

constexpr int64_t kMostWeights = int64_t{1} << 28;
constexpr int64_t kExactInFloat = int64_t{1} << 24;

int64_t rounded_up(int64_t number, int64_t to) { return (number + to - 1) / to * to; }

/// A layer's weights as numbers by (output, tap of the kernel, input), whatever its groups.
class Weights {
 public:
  Weights(const Plan& plan, const Step& step)
      : step_(step),
        outputs_(plan.values[static_cast<size_t>(step.output)].channels),
        inputs_(plan.values[static_cast<size_t>(step.inputs[0])].channels) {}

  template <typename T>
  T at(const std::vector<T>& weights, int64_t output, int64_t tap, int64_t input) const {
    const int64_t own = inputs_ / step_.groups;
    const int64_t first = output / (outputs_ / step_.groups) * own;
    if (output >= outputs_ || input < first || input >= first + own) {
      return 0;
    }
    return weights[static_cast<size_t>((output * own + input - first) * taps() + tap)];
  }
  int64_t taps() const { return step_.kernel * step_.kernel; }
  int64_t outputs() const { return outputs_; }
  int64_t inputs() const { return inputs_; }

 private:
  const Step& step_;
  int64_t outputs_, inputs_;
};

/// Packed as the kernels want them: `together` numbers of an output in a row. `stride`: channels in memory.
template <typename To, typename From>
std::vector<To> pack(const Weights& weights, const std::vector<From>& from, int64_t stride,
                     int64_t together) {
  const int64_t blocks = rounded_up(weights.outputs(), kBlock) / kBlock;
  const int64_t numbers = weights.taps() * stride;
  if (blocks * kBlock > kMostWeights / numbers) {
    throw Error("a layer of more than 2^28 weights, with zeros between its groups");
  }
  std::vector<To> packed(static_cast<size_t>(blocks * kBlock * numbers), To{0});
  for (int64_t output = 0; output < weights.outputs(); ++output) {
    To* block = packed.data() + output / kBlock * kBlock * numbers;
    for (int64_t k = 0; k < numbers; ++k) {
      const auto weight = weights.at(from, output, k / stride, k % stride);
      block[(k / together * kBlock + output % kBlock) * together + k % together] = static_cast<To>(weight);
    }
  }
  return packed;
}

bool is_depthwise(const Step& step, const Weights& weights) {
  return step.groups > 1 && step.groups == weights.inputs() && weights.outputs() == weights.inputs();
}

// The largest sum that any codes can give, of a depthwise layer.
int64_t largest_sum(const Step& step, const Weights& weights, int32_t high) {
  int64_t largest = 0;
  for (int64_t c = 0; c < weights.outputs(); ++c) {
    int64_t sum = 0;
    for (int64_t tap = 0; tap < weights.taps(); ++tap) {
      sum += std::abs(int64_t{step.codes[static_cast<size_t>(c * weights.taps() + tap)]}) * high;
    }
    largest = std::max(largest, sum);
  }
  return largest;
}

// Behind the last numbers there is room for the kernels' vectors.
template <typename To, typename From>
std::vector<To> pack_depthwise(const Weights& weights, const std::vector<From>& from, int64_t stride) {
  std::vector<To> packed(static_cast<size_t>(weights.taps() * stride + kBlock), To{0});
  for (int64_t c = 0; c < weights.outputs(); ++c) {
    for (int64_t tap = 0; tap < weights.taps(); ++tap) {
      packed[static_cast<size_t>(tap * stride + c)] = from[static_cast<size_t>(c * weights.taps() + tap)];
    }
  }
  return packed;
}

void pack_integers(const Step& step, const Weights& weights, const Value& in, int64_t stride,
                   const Costs& costs, PackedLayer& layer) {
  const bool alone = is_depthwise(step, weights);
  const int64_t largest = alone ? largest_sum(step, weights, in.high) : 0;
  if (alone && largest <= std::numeric_limits<int16_t>::max()) {
    layer.route = Route::kDepthwiseWords;
    layer.words = pack_depthwise<int16_t>(weights, step.codes, stride);
    return;
  }
  if (alone && largest <= kExactInFloat) {
    layer.route = Route::kDepthwiseCodes;
    layer.reals = pack_depthwise<float>(weights, step.codes, stride);
    return;
  }
  const int64_t run = step.kernel * stride;
  auto split =
      split_weights(pack<int16_t>(weights, step.codes, stride, 4), step.kernel * run, run, in.high, costs);
  if (split.is_faster) {
    layer.bytes = std::move(split.bytes);
    layer.period = split.period;
    layer.corrections = std::move(split.corrections);
    layer.route = layer.corrections.offsets.empty() ? Route::kBytes : Route::kCorrectedBytes;
    return;
  }
  layer.route = Route::kWords;
  layer.words = pack<int16_t>(weights, step.codes, stride, 2);
}

// A kernel over one pixel, whose weights are 1.
void pack_pointwise(const Value& in, int64_t stride, PackedLayer& layer) {
  layer.route = in.is_codes ? Route::kDepthwiseCodes : Route::kDepthwiseReals;
  layer.reals.assign(static_cast<size_t>(stride), 1.0F);
}

bool is_zero(const Step& step) {
  return std::all_of(step.codes.begin(), step.codes.end(), [](int16_t x) { return x == 0; }) &&
         std::all_of(step.weights.begin(), step.weights.end(), [](float x) { return x == 0; });
}

}  // namespace

int64_t channels_in_memory(const Plan& plan, int value) {
  const int64_t channels = plan.values[static_cast<size_t>(value)].channels;
  return value == 0 && channels < kLanes ? channels : rounded_up(channels, kLanes);
}

PackedLayer pack_layer(const Plan& plan, const Step& step, const Costs& costs) {
  PackedLayer layer;
  const auto& in = plan.values[static_cast<size_t>(step.inputs[0])];
  const Weights weights(plan, step);
  const int64_t stride = channels_in_memory(plan, step.inputs[0]);
  layer.gain = step.gain;
  layer.shift = step.shift;
  layer.gain.resize(static_cast<size_t>(rounded_up(weights.outputs(), kBlock)), 0.0F);
  layer.shift.resize(layer.gain.size(), 0.0F);
  if (step.kind == StepKind::kPointwise) {
    pack_pointwise(in, channels_in_memory(plan, step.output), layer);
  } else if (is_zero(step)) {
    layer.route = Route::kZero;
  } else if (step.is_integer) {
    pack_integers(step, weights, in, stride, costs, layer);
  } else if (is_depthwise(step, weights) && stride == channels_in_memory(plan, step.output)) {
    layer.route = Route::kDepthwiseReals;
    layer.reals = pack_depthwise<float>(weights, step.weights, stride);
  } else {
    layer.reals = pack<float>(weights, step.weights, stride, 1);
  }
  return layer;
}

const char* to_string(Route route) {
  switch (route) {
    case Route::kZero:
      return "zero";
    case Route::kBytes:
      return "bytes";
    case Route::kCorrectedBytes:
      return "corrected bytes";
    case Route::kWords:
      return "words";
    case Route::kReals:
      return "reals";
    case Route::kDepthwiseCodes:
      return "depthwise codes";
    case Route::kDepthwiseWords:
      return "depthwise words";
    default:
      return "depthwise reals";
  }
}

}  // namespace bsq::infer
