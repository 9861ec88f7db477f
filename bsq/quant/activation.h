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

/// What an activation computes in evaluation, in numbers alone: with c = min(max(x, low), high),
///     y = step * round((c - offset) / divisor) + offset, half to even, or y = c where divisor is 0.
struct ActivationRule {
  double low = 0;
  double high = std::numeric_limits<double>::infinity();
  double divisor = 0;  ///< 0: not rounded
  double step = 0;     ///< from one value to the next
  double offset = 0;
};

/// What an activation can know of the values that it will read.
struct ActivationInput {
  /// It stands in front of a layer whose value may be below 0, as behind a linear bottleneck. False where it
  /// is the network's ReLU, or stands behind one.
  bool may_be_negative = false;
};

/// For activations whose integers begin at 0: throws std::invalid_argument for an input below it.
void require_positive(const ActivationInput& input);

/// An activation function with its quantization. Its tensors are slots of the module that holds it.
class Activation {
 public:
  virtual ~Activation() = default;

  /// Told once, by who builds a network, before any value passes. Most activations compute the same of every
  /// input. Throws std::invalid_argument for an input that the activation has no integers for.
  virtual void set_input(const ActivationInput& /*input*/) {}

  /// Differentiable; may update tracked slots while `is_training`.
  virtual torch::Tensor forward(const torch::Tensor& x, bool is_training) = 0;
  /// What forward() would do now as part of one operation with the batch norm before it (norm_act_ste());
  /// observe() must follow with the range that it used. Nothing: forward() has to be called.
  virtual std::optional<ActivationCall> fused_call(bool /*is_training*/) const { return std::nullopt; }
  virtual void observe(const torch::Tensor& /*maximum*/, bool /*is_training*/) {}

  /// What evaluation computes now, for files and for engines without libtorch. Nothing where it depends on
  /// the batch at hand, or on a range that was never tracked.
  virtual std::optional<ActivationRule> rule() const { return std::nullopt; }

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
