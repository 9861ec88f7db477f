#include "bsq/quant/activation.h"

#include <stdexcept>

namespace bsq {

void require_positive(const ActivationInput& input) {
  if (input.may_be_negative) {
    throw std::invalid_argument(
        "reads values below 0, for which this activation has no integers; --layer-act NAME=0 leaves it "
        "float");
  }
}

}  // namespace bsq
