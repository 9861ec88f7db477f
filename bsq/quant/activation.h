#pragma once

#include <torch/types.h>

#include <cstdint>
#include <iosfwd>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "bsq/quant/norm_act_ste.h"
#include "bsq/quant/slot.h"

namespace bsq {

/// What an activation computes in evaluation, in numbers:
///   c = min(max(x, low), high), and with a grid y = value_step clamp(round(c / step), lowest, highest),
/// half to even; without one y = c.
struct ActivationFunction {
  /// As `lowest`: there is no smallest integer.
  static constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::min();
  struct Grid {
    double step = 1;        ///< from one integer to the next, in x
    double value_step = 1;  ///< the same in y; mostly the same number
    int64_t lowest = 0, highest = 0;
  };
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  std::optional<Grid> grid = {};
};

/// An activation function with its quantization. Its tensors are slots of the module that holds it.
class Activation {
 public:
  virtual ~Activation() = default;

  /// Differentiable; may update tracked slots while `is_training`.
  virtual torch::Tensor forward(const torch::Tensor& x, bool is_training) = 0;
  /// What forward() would do now as part of one operation with the batch norm before it (norm_act_ste());
  /// observe() must follow with the range that it used. Nothing: forward() has to be called.
  virtual std::optional<ActivationCall> fused_call(bool /*is_training*/) const { return std::nullopt; }
  virtual void observe(const torch::Tensor& /*maximum*/, bool /*is_training*/) {}

  /// Bit width of what it gives; 0: float.
  virtual int64_t bits() const = 0;
  virtual Slots slots() const { return {}; }

  /// What evaluation computes with the tensors as they are. Throws std::invalid_argument with the reason
  /// where that depends on the batch or is no such function.
  virtual ActivationFunction function() const;

  /// Whether evaluation would need a range that was never tracked.
  virtual bool needs_calibration() const { return false; }
  /// From begin to end, evaluation takes each batch's own range and averages them. end_calibration() throws
  /// std::logic_error where no batch came between.
  virtual void begin_calibration() {}
  virtual void end_calibration() {}

  virtual void print(std::ostream& stream) const = 0;
};

/// quantize_unsigned() (bsq/quant/activation_ste.h) of this range: integers 0 to 2^bits - 1, step range /
/// (2^bits - 1). Throws std::invalid_argument for a range below 0, which stands for none.
ActivationFunction unsigned_function(int64_t bits, double range);

}  // namespace bsq
