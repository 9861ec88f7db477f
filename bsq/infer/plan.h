#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/infer/graph.h"
#include "bsq/infer/stored_model.h"

namespace bsq::infer {

/// One value of one image. Codes are integers 0 to `high` that stand for step * code.
struct Value {
  int64_t channels = 0, height = 1, width = 1;  ///< features: height and width are 1
  bool is_features = false;
  bool is_codes = false;
  bool is_positive = false;  ///< known not to be below 0
  float step = 1;
  int32_t high = 0;    ///< at most 255
  int64_t border = 0;  ///< pixels of padding that a layer reads around it

  int64_t numel() const { return channels * height * width; }
};

/// What is done to a sum before it is stored: c = min(max(y, low), high); then nothing, or, where it rounds,
/// round((c - offset) * per_step), half to even: a code, or for a float value step * that + offset.
struct Finish {
  float low, high;
  bool rounds = false;
  float per_step = 0, step = 0, offset = 0;
};

enum class StepKind {
  kLayer,
  kPointwise,
  kMaxPool,
  kAveragePool,
  kGlobalPool,
  kConcat,
  kPadChannels,
  kFlatten
};

/// One pass from values to a value. A layer computes gain * sum + shift (+ residual), channel by channel, and
/// a pointwise step gain * x + shift (+ residual); then both finish().
struct Step {
  StepKind kind = StepKind::kPointwise;
  std::string path;
  std::vector<int> inputs;
  int residual = -1;  ///< a value to add; -1: none
  int output = 0;
  int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
  bool is_integer = false;         ///< a layer: of codes with integers; else of real numbers
  std::vector<int16_t> codes;      ///< (out, in / groups, kernel, kernel) of an integer layer
  std::vector<float> weights;      ///< of another one
  std::vector<float> gain, shift;  ///< one a channel
  Finish finish{0, 0};
  int64_t before = 0;  ///< channels of zeros in front, of kPadChannels
};

/// A network as the engine computes it. Value 0 is the normalized image, float.
struct Plan {
  std::vector<Value> values;
  std::vector<Step> steps;
  int output = 0;
};

/// Lowers a program with its file's tensors: batch norms go into gains and shifts, sums and activations into
/// the step in front of them, and a layer whose weights are integers and whose input is codes is computed in
/// integers. Throws bsq::Error for a tensor that is missing or of another shape, and for a network that would
/// take more than 2^27 numbers an image.
Plan make_plan(const Graph& graph, const StoredModel& model);

}  // namespace bsq::infer
