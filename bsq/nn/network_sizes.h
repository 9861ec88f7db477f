#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <vector>

#include "bsq/nn/stored_tensor.h"
#include "bsq/quant/accounting.h"

namespace bsq {

/// The tensors of a network that hold bits, in its order, as their codes say.
std::vector<TensorBits> tensor_bits(torch::nn::Module& network);
/// The same of a stored network; the tensors' data may be missing, their shapes not.
std::vector<TensorBits> tensor_bits(const NetworkState& network);

/// What the network needs; a float one has `comp` and `comp_stored` 1.
Sizes sizes_of(torch::nn::Module& network);
Sizes sizes_of(const NetworkState& network);

}  // namespace bsq
