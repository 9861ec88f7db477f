#include <optional>
#include <stdexcept>
#include <vector>

#include "bsq/io/onnx/quant_writer.h"

namespace bsq {
namespace {

constexpr int64_t kInt4Opset = 21;
constexpr int64_t kInt16Opset = 21;
constexpr int64_t kInt2Opset = 25;

bool holds(OnnxType type, int64_t lowest, int64_t highest) {
  const auto [low, high] = limits_of(type);
  return low <= lowest && highest <= high;
}

/// Integers of an activation: what is stored is the integer plus `shift`.
struct Container {
  OnnxType type;
  int64_t shift = 0;
};

class QcdqWriter : public QuantWriter {
 public:
  QcdqWriter(OnnxModel& model, bool is_integer) : model_(model), is_integer_(is_integer) {}

  std::string weight(const std::string& name, const IntegerWeight& weight) override {
    const auto type = weight_type(name, weight);
    const auto integers = model_.constant(name + "_integers", weight.integers, type);
    const auto scale = model_.constant(name + "_scale", weight.scale, OnnxType::kFloat);
    const auto zero =
        model_.constant(name + "_zero_point", torch::zeros_like(weight.scale, torch::kInt64), type);
    std::vector<OnnxAttribute> attributes;
    if (weight.scale.dim() > 0) {
      attributes.push_back({"axis", int64_t{0}});
    }
    return model_.node("DequantizeLinear", name, {integers, scale, zero}, attributes);
  }

  std::string activation(const std::string& name, const std::string& x,
                         const ActivationFunction::Grid& grid) override {
    const auto container = container_of(grid);
    if (!container) {
      return float_grid(model_, name, x, grid);
    }
    const auto zero = integer(name + "_zero_point", container->shift, container->type);
    auto value = clipped_floats(name, x, grid, container->type);
    const auto step = model_.number(name + "_step", grid.step);
    value = model_.node("QuantizeLinear", name + "_quantized", {value, step, zero});
    value = clipped_integers(name, value, grid, *container);
    const auto value_step =
        grid.value_step == grid.step ? step : model_.number(name + "_value_step", grid.value_step);
    return model_.node("DequantizeLinear", name, {value, value_step, zero});
  }

 private:
  OnnxType weight_type(const std::string& name, const IntegerWeight& weight) const {
    const auto lowest = weight.lowest(), highest = weight.highest();
    if (model_.opset() >= kInt2Opset && holds(OnnxType::kInt2, lowest, highest)) {
      return OnnxType::kInt2;
    }
    if (model_.opset() >= kInt4Opset && holds(OnnxType::kInt4, lowest, highest)) {
      return OnnxType::kInt4;
    }
    if (holds(OnnxType::kInt8, lowest, highest)) {
      return OnnxType::kInt8;
    }
    if (!is_integer_ && model_.opset() >= kInt16Opset && holds(OnnxType::kInt16, lowest, highest)) {
      return OnnxType::kInt16;
    }
    throw std::invalid_argument(name + ": integers from " + std::to_string(lowest) + " to " +
                                std::to_string(highest) +
                                " do not fit int8; expected a model trained with --max-bits 7" +
                                (is_integer_ ? "" : ", --opset 21 or more, which has int16, or --to qonnx"));
  }

  std::optional<Container> container_of(const ActivationFunction::Grid& grid) const {
    for (const auto type : {OnnxType::kUint8, OnnxType::kInt8}) {
      if (holds(type, grid.lowest, grid.highest)) {
        return Container{type};
      }
    }
    if (holds(OnnxType::kUint8, 0, grid.highest - grid.lowest)) {
      return Container{OnnxType::kUint8, -grid.lowest};
    }
    if (model_.opset() >= kInt16Opset && holds(OnnxType::kUint16, grid.lowest, grid.highest)) {
      return Container{OnnxType::kUint16};
    }
    return std::nullopt;
  }

  // onnxruntime clips no integers of 16 bits.
  std::string clipped_floats(const std::string& name, const std::string& x,
                             const ActivationFunction::Grid& grid, OnnxType type) {
    if (type != OnnxType::kUint16 || limits_of(type) == std::pair(grid.lowest, grid.highest)) {
      return x;
    }
    const auto low = model_.number(name + "_low", grid.step * static_cast<double>(grid.lowest));
    const auto high = model_.number(name + "_high", grid.step * static_cast<double>(grid.highest));
    return model_.node("Clip", name + "_clipped", {x, low, high});
  }

  std::string clipped_integers(const std::string& name, const std::string& x,
                               const ActivationFunction::Grid& grid, const Container& container) {
    const auto lowest = grid.lowest + container.shift, highest = grid.highest + container.shift;
    if (container.type == OnnxType::kUint16 || limits_of(container.type) == std::pair(lowest, highest)) {
      return x;
    }
    return model_.node("Clip", name + "_clipped",
                       {x, integer(name + "_lowest", lowest, container.type),
                        integer(name + "_highest", highest, container.type)});
  }

  std::string integer(const std::string& name, int64_t value, OnnxType type) {
    return model_.constant(name, torch::tensor(value, torch::kInt64), type);
  }

  OnnxModel& model_;
  bool is_integer_;
};

}  // namespace

std::unique_ptr<QuantWriter> qcdq_writer(OnnxModel& model, bool is_integer) {
  return std::make_unique<QcdqWriter>(model, is_integer);
}

std::string float_grid(OnnxModel& model, const std::string& name, const std::string& x,
                       const ActivationFunction::Grid& grid) {
  auto value = model.node("Div", name + "_steps", {x, model.number(name + "_step", grid.step)});
  value = model.node("Round", name + "_rounded", {value});
  const auto lowest = model.number(name + "_lowest", static_cast<double>(grid.lowest));
  const auto highest = model.number(name + "_highest", static_cast<double>(grid.highest));
  value = model.node("Clip", name + "_clipped", {value, lowest, highest});
  return model.node("Mul", name, {value, model.number(name + "_value_step", grid.value_step)});
}

}  // namespace bsq
