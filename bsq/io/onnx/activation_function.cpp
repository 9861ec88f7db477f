#include "bsq/io/onnx/activation_function.h"

#include <cmath>
#include <stdexcept>

namespace bsq {

ActivationFunction function_of(const Activation& activation) {
  const auto rule = activation.rule();
  if (!rule) {
    throw std::invalid_argument(
        "what it computes depends on the batch; expected --act-range running, and a range or clip that "
        "training "
        "or calibration has found");
  }
  if (rule->offset != 0) {
    throw std::invalid_argument("this kind of activation has no grid around 0");
  }
  ActivationFunction function{rule->low, rule->high};
  if (rule->divisor == 0) {
    return function;
  }
  const auto integer = [&](double limit, int64_t otherwise) {
    return std::isfinite(limit) ? static_cast<int64_t>(std::nearbyint(limit / rule->divisor)) : otherwise;
  };
  function.grid =
      ActivationFunction::Grid{rule->divisor, rule->step, integer(rule->low, ActivationFunction::kUnbounded),
                               integer(rule->high, std::numeric_limits<int64_t>::max())};
  return function;
}

}  // namespace bsq
