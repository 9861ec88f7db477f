#pragma once

#include <torch/types.h>

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "bsq/quant/norm_act_ste.h"
#include "bsq/quant/slot.h"

namespace bsq {

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

  /// Whether evaluation would need a range that was never tracked.
  virtual bool needs_calibration() const { return false; }
  /// From begin to end, evaluation takes each batch's own range and averages them. end_calibration() throws
  /// std::logic_error where no batch came between.
  virtual void begin_calibration() {}
  virtual void end_calibration() {}

  virtual void print(std::ostream& stream) const = 0;
};

}  // namespace bsq
