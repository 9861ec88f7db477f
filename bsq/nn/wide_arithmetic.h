#pragma once

#include <torch/types.h>

#include <functional>

namespace bsq {

/// Computes a layer of (input, weight, bias), bias undefined or not. On an x86 CPU without AVX-512, libtorch
/// computes bfloat16 layers number by number, ten times slower than float ones. There the layer gets its
/// operands in float, and its output, rounded once, is bfloat16 again. That is what CPUs with bfloat16
/// instructions compute too: they add up in float.
torch::Tensor with_fast_arithmetic(
    const torch::Tensor& input, const torch::Tensor& weight, const torch::Tensor& bias,
    const std::function<torch::Tensor(const torch::Tensor& input, const torch::Tensor& weight,
                                      const torch::Tensor& bias)>& layer);

}  // namespace bsq
