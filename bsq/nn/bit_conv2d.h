#pragma once

#include <torch/torch.h>

#include "bsq/nn/bit_layer.h"

namespace bsq {

/// Everything that libtorch's Conv2d takes: stride, padding (numbers, "same", "valid"), dilation, groups,
/// bias and every padding mode.
using BitConv2dOptions = torch::nn::Conv2dOptions;

/// A 2-d convolution whose weight and bias are float until converted to bits.
class BitConv2dImpl : public BitModule<torch::nn::Conv2dImpl> {
 public:
  explicit BitConv2dImpl(const BitConv2dOptions& options) : BitModule(options) {}
  BitConv2dImpl(int64_t in_channels, int64_t out_channels, torch::ExpandingArray<2> kernel_size)
      : BitConv2dImpl(BitConv2dOptions(in_channels, out_channels, kernel_size)) {}

  std::shared_ptr<torch::nn::Module> clone(
      const c10::optional<torch::Device>& device = c10::nullopt) const override;
  void pretty_print(std::ostream& stream) const override;
};
TORCH_MODULE(BitConv2d);

}  // namespace bsq
