#pragma once

#include <torch/torch.h>

namespace bsq {

/// torch::nn::Conv2d that computes in its input's type, as BitConv2d does, and never becomes bits.
class FloatConv2dImpl : public torch::nn::Conv2dImpl {
 public:
  using Conv2dImpl::Conv2dImpl;
  torch::Tensor forward(const torch::Tensor& input);
};
TORCH_MODULE(FloatConv2d);

}  // namespace bsq
