#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

namespace bsq {

/// The tensors and numbers of a batch norm, all float32 (C); the running ones are updated in training.
struct BatchNormTensors {
  torch::Tensor weight, bias, running_mean, running_var;
  double momentum = 0.1;
  double eps = 1e-5;
  bool is_training = false;
};

/// What follows the batch norm and the residual sum.
struct ActivationCall {
  enum class Function { kIdentity, kRelu, kRelu6, kPact };
  Function function = Function::kIdentity;
  /// Width k of the quantization; 0 for none.
  int64_t bits = 0;
  /// S, fixed beforehand; nothing: the maximum of the tensor at hand.
  std::optional<double> range;
  /// PACT's alpha, 0-dimensional float32; else undefined.
  torch::Tensor alpha;
};

struct NormActResult {
  torch::Tensor value;
  /// The same values in the same memory, for a second reader: the gradients of both are summed as they are
  /// read, without a pass of autograd's own.
  torch::Tensor again;
  double range = 0;  ///< S as used; 0 where nothing is quantized
};

/// Whether norm_act_ste() serves this tensor: float32 or bfloat16, (B, C, H, W), on the CPU.
bool can_norm_act(const torch::Tensor& x);

/// a = quantize(act(batch_norm(x) + residual)) in two passes over memory forward (three where S must be known
/// of a sum that does not saturate) and two backward. Formulas as BatchNorm2d and ActivationQuantizer have
/// them; the arithmetic is in float32, x, residual, the result and their gradients are in x's type. Backward
/// straight through the rounding, S constant. Any memory layout is taken, channels-last without a copy, and
/// channels-last is given. `residual` may be undefined. In training, statistics, S and the sums behind the
/// gradient of x are over the images of all statistics_ranks(); the gradients of weight, bias and alpha are
/// those of the images at hand.
NormActResult norm_act_ste(const torch::Tensor& x, const torch::Tensor& residual,
                           const BatchNormTensors& norm, const ActivationCall& activation);

}  // namespace bsq
