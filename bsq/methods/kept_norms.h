#pragma once

#include <torch/types.h>

#include <map>
#include <string>

#include "bsq/nn/network.h"
#include "bsq/quant/slot.h"

namespace bsq {

/// |W| of the weights that hold bits in layers in front of a batch norm (bsq/graph/normalized_layers.h), by
/// the weight's name: what StepRule::kRelative keeps. 0-dimensional, float64, on the CPU. 0 of a
/// weight that is 0: its scale stays.
std::map<std::string, torch::Tensor> kept_norms(Network& network);

/// As slots of a method's state: "norm.NAME".
Slots norm_slots(const std::map<std::string, torch::Tensor>& norms);

}  // namespace bsq
