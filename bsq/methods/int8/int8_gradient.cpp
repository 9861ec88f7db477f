#include "bsq/methods/int8/int8_gradient.h"

#include <utility>

#include "bsq/methods/int8/affine.h"

namespace bsq {

Int8Gradient::Int8Gradient(int64_t bits, SharedNoiseCounter counter, uint64_t tensor, bool is_for_weights)
    : StochasticGradient(bits, std::move(counter), tensor), is_for_weights_(is_for_weights) {
  check_bits("int8 gradient", bits);
}

torch::Tensor Int8Gradient::quantize(const torch::Tensor& gradient) const {
  return affine_quantize(gradient, range_of_tensor(gradient), bits(), noise());
}

}  // namespace bsq
