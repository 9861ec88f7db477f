#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "bsq/io/onnx/quant_writer.h"
#include "bsq/quant/codes.h"

namespace bsq {
namespace {

/// Integers of a bit width: 0 to 2^bits - 1, with a sign -2^(bits-1) to 2^(bits-1) - 1, narrow ones from
/// -2^(bits-1) + 1 on.
struct QonnxRange {
  int64_t bits = 1;
  bool is_signed = false;
  bool is_narrow = false;
};

int64_t bits_for(int64_t largest) {
  int64_t bits = 1;
  while (max_integer(bits) < largest) {
    ++bits;
  }
  return bits;
}

QonnxRange range_of(int64_t lowest, int64_t highest) {
  if (lowest >= 0) {
    return {bits_for(highest)};
  }
  const int64_t digits = bits_for(std::max(-lowest - 1, highest));
  // One bit with a sign means -1 and 1 to QONNX's executor.
  return {std::max<int64_t>(digits + 1, 2), /*is_signed=*/true,
          /*is_narrow=*/lowest > -(int64_t{1} << digits)};
}

std::vector<OnnxAttribute> attributes_of(const QonnxRange& range) {
  return {{"signed", int64_t{range.is_signed}},
          {"narrow", int64_t{range.is_narrow}},
          {"rounding_mode", std::string("ROUND")}};
}

class QonnxWriter : public QuantWriter {
 public:
  explicit QonnxWriter(OnnxModel& model) : model_(model) {}

  std::string weight(const std::string& name, const IntegerWeight& weight) override {
    const auto scale = along_channels(weight.scale, weight.integers);
    const auto values = model_.constant(name + "_values", weight.integers * scale, OnnxType::kFloat);
    const auto own_scale = model_.constant(name + "_scale", scale, OnnxType::kFloat);
    if (weight.is_bipolar && weight.scale.gt(0).all().item<bool>()) {
      return model_.node("BipolarQuant", name, {values, own_scale}, {}, OnnxModel::kQonnxDomain);
    }
    return quantized(name, values, own_scale,
                     range_of(std::min<int64_t>(weight.lowest(), -1), weight.highest()));
  }

  std::string activation(const std::string& name, const std::string& x,
                         const ActivationFunction::Grid& grid) override {
    const auto range = range_of(grid.lowest, grid.highest);
    const bool is_whole = range.is_signed ? grid.lowest == -grid.highest - (range.is_narrow ? 0 : 1)
                                          : grid.lowest == 0 && grid.highest == max_integer(range.bits);
    const auto value = is_whole ? x : clipped(name, x, grid);
    const auto step = model_.number(name + "_step", grid.step);
    if (grid.step == grid.value_step) {
      return quantized(name, value, step, range);
    }
    const auto rounded = quantized(name + "_quantized", value, step, range);
    return model_.node("Mul", name, {rounded, model_.number(name + "_factor", grid.value_step / grid.step)});
  }

 private:
  std::string clipped(const std::string& name, const std::string& x, const ActivationFunction::Grid& grid) {
    const auto low = model_.number(name + "_low", grid.step * static_cast<double>(grid.lowest));
    const auto high = model_.number(name + "_high", grid.step * static_cast<double>(grid.highest));
    return model_.node("Clip", name + "_clipped", {x, low, high});
  }

  std::string quantized(const std::string& name, const std::string& x, const std::string& scale,
                        const QonnxRange& range) {
    const auto zero = model_.number(name + "_zero_point", 0);
    const auto bits = model_.number(name + "_bits", static_cast<double>(range.bits));
    return model_.node("IntQuant", name, {x, scale, zero, bits}, attributes_of(range),
                       OnnxModel::kQonnxDomain);
  }

  OnnxModel& model_;
};

}  // namespace

std::unique_ptr<QuantWriter> qonnx_writer(OnnxModel& model) { return std::make_unique<QonnxWriter>(model); }

}  // namespace bsq
