#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

#include "bsq/nn/network_state.h"
#include "bsq/quant/accounting.h"
#include "bsq/quant/codes.h"

namespace bsq {

std::vector<TensorBits> tensor_bits(const NetworkState& network);
Sizes sizes_of(const NetworkState& network);
std::vector<std::pair<std::string, Codes>> codes_of(const NetworkState& state);

}  // namespace bsq
