#include "bsq/io/onnx/integer_weight.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "bsq/quant/codes.h"

namespace bsq {
namespace {

// Along the first axis, also where there is one number for all.
torch::Tensor for_channels(const torch::Tensor& numbers, const torch::Tensor& integers) {
  return along_channels(numbers, integers).expand_as(integers);
}

void make_scales_positive(IntegerWeight& weight, const CodeFormat& format) {
  const auto is_negative = for_channels(weight.scale.lt(0), weight.integers);
  const auto turned = torch::where(is_negative, weight.integers.neg(), weight.integers);
  if (turned.min().item<int64_t>() < format.low || turned.max().item<int64_t>() > format.high()) {
    return;  // A channel has the lowest integer of two's complement: its scale stays negative.
  }
  weight.integers = turned;
  weight.scale = weight.scale.abs();
}

void leave_no_zero_scale(IntegerWeight& weight) {
  const auto is_zero = weight.scale.eq(0);
  weight.integers = weight.integers * for_channels(is_zero.logical_not(), weight.integers);
  weight.scale = torch::where(is_zero, torch::ones_like(weight.scale), weight.scale);
}

}  // namespace

IntegerWeight integer_weight(const std::string& name, const StoredTensor& stored) {
  if (stored.encoding != Encoding::kCodes) {
    throw std::invalid_argument(name + ": no codes");
  }
  if (stored.offset.defined()) {
    throw std::invalid_argument(name +
                                ": its grid of integers has an offset and no point at 0; expected a method "
                                "whose grids have one");
  }
  IntegerWeight weight;
  weight.integers = stored.value;
  weight.scale =
      stored.scale.to(torch::kFloat64).div(static_cast<double>(stored.format.levels)).to(torch::kFloat32);
  make_scales_positive(weight, stored.format);
  leave_no_zero_scale(weight);
  weight.integers = weight.integers.to(torch::kInt32).contiguous();
  weight.is_bipolar = weight.integers.abs().eq(1).all().item<bool>();
  return weight;
}

IntegerWeight widened(IntegerWeight weight, int64_t limit) {
  const int64_t largest = std::max(std::abs(weight.lowest()), std::abs(weight.highest()));
  int64_t factor = 1;
  while (largest > 0 && 2 * factor * largest <= limit) {
    factor *= 2;
  }
  weight.integers = weight.integers * factor;
  weight.scale = weight.scale / static_cast<double>(factor);
  weight.is_bipolar = weight.is_bipolar && factor == 1;
  return weight;
}

}  // namespace bsq
