#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/types.h>

#include "bsq/nn/quant_layer.h"

namespace bsq {

using QuantLinearOptions = torch::nn::LinearOptions;

/// A linear layer whose weight and bias come from weight sources. Input (..., in), output (..., out). Begins
/// with float weights, initialized as libtorch's Linear is.
class QuantLinearImpl : public QuantModule<QuantLinearImpl> {
 public:
  explicit QuantLinearImpl(const QuantLinearOptions& options);
  QuantLinearImpl(int64_t in_features, int64_t out_features)
      : QuantLinearImpl(QuantLinearOptions(in_features, out_features)) {}

  /// Writes no member; not const only because torch::nn::Sequential takes no const ones.
  torch::Tensor forward(const torch::Tensor& input);

  void pretty_print(std::ostream& stream) const override;

  QuantLinearOptions options;

 private:
  explicit QuantLinearImpl(const torch::nn::LinearImpl& initial);
};
TORCH_MODULE(QuantLinear);

}  // namespace bsq
