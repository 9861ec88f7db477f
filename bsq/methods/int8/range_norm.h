#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/nn/gradient_quantizer.h"
#include "bsq/nn/norm_module.h"
#include "bsq/quant/activation_quantizer.h"

namespace bsq {

struct RangeNormOptions {
  explicit RangeNormOptions(int64_t channels) : channels_(channels) {}
  TORCH_ARG(int64_t, channels);
  /// Of the quantizer in front ("input", an Int8Activation); 0: none.
  TORCH_ARG(int64_t, input_bits) = 8;
  /// Chunks of a batch: as many as range_chunks() allows, at most so many.
  TORCH_ARG(int64_t, most_chunks) = 16;
  TORCH_ARG(double, eps) = 1e-5;
  /// The share of the batch in the running statistics: run = (1 - m) run + m new. The published code calls
  /// the share of the old value momentum, and has 0.1.
  TORCH_ARG(double, momentum) = 0.9;
};

/// Range BN: a batch norm whose deviation comes from ranges, sigma = C(n) (mean max - mean min)
/// (range_norm_ste.h), with its input quantized in front and, with set_gradient(), its gradient behind, once
/// for all that it is needed for. (B, C) or (B, C, H, W).
///
/// Slots weight and bias, trained; running_mean and running_sigma, tracked, which evaluation uses. They start
/// at 0 and 1, as those of a batch norm do (the published code has 0 and 0).
class RangeNorm : public NormModule {
 public:
  static constexpr const char* kKind = "range";

  /// Throws std::invalid_argument for less than 1 channel or chunk, and what Int8Activation throws.
  explicit RangeNorm(const RangeNormOptions& options);

  /// Throws std::invalid_argument for another count of channels, and in training for a batch that cannot be
  /// cut into chunks (range_chunks()).
  torch::Tensor forward(const torch::Tensor& x) override;
  /// The deviation of a batch norm is sqrt(var + eps).
  void take(const torch::nn::BatchNorm2dImpl& norm) override;
  void begin_estimate() override;
  void end_estimate() override;
  Slots slots() const override;
  void pretty_print(std::ostream& stream) const override;

  /// Null, as the norm begins: the gradient stays as it is.
  void set_gradient(SharedGradientQuantizer quantizer) { gradient_ = std::move(quantizer); }

 private:
  torch::Tensor evaluate(const torch::Tensor& x) const;
  void track(const torch::Tensor& mean, const torch::Tensor& sigma);

  RangeNormOptions options_;
  torch::Tensor weight_, bias_, running_mean_, running_sigma_;
  ActivationQuantizer input_{nullptr};
  SharedGradientQuantizer gradient_;
  bool is_estimating_ = false;
  int64_t estimated_batches_ = 0;
};

}  // namespace bsq
