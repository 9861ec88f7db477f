#include "bsq/nn/float_conv2d.h"

namespace bsq {

torch::Tensor FloatConv2dImpl::forward(const torch::Tensor& input) {
  const auto type = input.scalar_type();
  return _conv_forward(input, weight.to(type));
}

}  // namespace bsq
