#pragma once

#include <memory>
#include <string>

#include "bsq/io/onnx/activation_function.h"
#include "bsq/io/onnx/integer_weight.h"
#include "bsq/io/onnx/onnx_model.h"

namespace bsq {

/// How weights and activations of few bits are written.
class QuantWriter {
 public:
  virtual ~QuantWriter() = default;
  /// Adds a weight. Gives the name of its float value. Throws std::invalid_argument that begins with the name
  /// where the form has no such integers.
  virtual std::string weight(const std::string& name, const IntegerWeight& weight) = 0;
  /// Adds the grid of an activation to the value x. Gives the name of the result.
  virtual std::string activation(const std::string& name, const std::string& x,
                                 const ActivationFunction::Grid& grid) = 0;
};

/// QuantizeLinear, Clip and DequantizeLinear of ONNX. Weights are int8, int4 from opset 21 on and int2 from
/// opset 25 on where their integers fit, and int16 from opset 21 on where they do not fit int8; with
/// `is_integer` they have to fit int8. Activations are 8 bits, and 16 from opset 21 on; wider ones are
/// rounded in float.
std::unique_ptr<QuantWriter> qcdq_writer(OnnxModel& model, bool is_integer);
/// IntQuant and BipolarQuant of QONNX, of any bit width.
std::unique_ptr<QuantWriter> qonnx_writer(OnnxModel& model);

/// Adds what a grid computes, in float: for whichever integers no type is left.
std::string float_grid(OnnxModel& model, const std::string& name, const std::string& x,
                       const ActivationFunction::Grid& grid);

}  // namespace bsq
