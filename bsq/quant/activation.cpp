#include "bsq/quant/activation.h"

#include <cmath>
#include <stdexcept>

#include "bsq/kernels/activation_kernels.h"

namespace bsq {

ActivationFunction Activation::function() const {
  throw std::invalid_argument("this kind of activation has no grid around 0");
}

ActivationFunction unsigned_function(int64_t bits, double range) {
  if (!(range >= 0)) {
    throw std::invalid_argument("no range is stored; expected one that training or calibration has found");
  }
  ActivationFunction function;
  function.grid.emplace();
  if (range < kSmallestRange) {
    return function;
  }
  const double levels = std::ldexp(1.0, static_cast<int>(bits)) - 1;
  function.grid->step = function.grid->value_step = range / levels;
  function.grid->highest = static_cast<int64_t>(levels);
  return function;
}

}  // namespace bsq
