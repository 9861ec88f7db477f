#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/quant/codes.h"

namespace bsq {

/// The grid of DoReFa's weights: the odd (or even) integers -(2^n-1), -(2^n-1)+2, .., 2^n-1, over 2^n-1.
/// There is no 0.
CodeFormat dorefa_format(int64_t bits);

/// 2 q(tanh(w) / (2 max|tanh(w)|) + 1/2) - 1, q the nearest of 2^n-1 steps on [0, 1] (DoReFa-Net, equation
/// 9), of n = 2 bits and more. Backward passes straight through the rounding alone; tanh and the maximum have
/// their own derivatives. A tensor of zeros gives zeros and takes no gradient.
torch::Tensor dorefa_weight_ste(const torch::Tensor& weight, int64_t bits);

/// 1 bit: sign(w) mean|w|, + for 0 (DoReFa-Net, equations 7 and 8). Backward passes straight through, dw = g.
torch::Tensor dorefa_sign_ste(const torch::Tensor& weight);

/// q(min(max(x, 0), 1)), the nearest of 2^n-1 steps, half to even (DoReFa-Net, section 2.4). Backward: g
/// where 0 <= x <= 1, else 0.
torch::Tensor dorefa_activation_ste(const torch::Tensor& x, int64_t bits);

}  // namespace bsq
