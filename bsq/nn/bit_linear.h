#pragma once

#include <torch/torch.h>

#include "bsq/nn/bit_layer.h"

namespace bsq {

using BitLinearOptions = torch::nn::LinearOptions;

/// A linear layer whose weight and bias are float until converted to bits.
class BitLinearImpl : public BitModule<torch::nn::LinearImpl> {
 public:
  explicit BitLinearImpl(const BitLinearOptions& options) : BitModule(options) {}
  BitLinearImpl(int64_t in_features, int64_t out_features)
      : BitLinearImpl(BitLinearOptions(in_features, out_features)) {}

  std::shared_ptr<torch::nn::Module> clone(
      const c10::optional<torch::Device>& device = c10::nullopt) const override;
  void pretty_print(std::ostream& stream) const override;
};
TORCH_MODULE(BitLinear);

}  // namespace bsq
