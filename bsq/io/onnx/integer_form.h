#pragma once

#include <torch/types.h>

#include <vector>

#include "bsq/io/onnx/onnx_export.h"
#include "bsq/nn/network.h"

namespace bsq {

/// The nodes whose values have to be rounded so that every layer with integer weights reads and gives
/// integers: what such a layer reads and no activation quantizes, and what it gives, behind its norm and
/// ReLU, where more than one activation reads that. Throws std::invalid_argument for a network whose
/// forward() is written by hand.
std::vector<int64_t> values_to_round(const Network& network);

/// Grids of 8 bits for these values, over the ranges that they have on some batches of images. The network
/// has to be in evaluation.
ValueGrids grids_of_8_bits(const Network& network, const std::vector<torch::Tensor>& batches);

}  // namespace bsq
