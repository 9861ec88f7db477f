#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include "bsq/nn/layer_rules.h"
#include "bsq/nn/layers_of.h"

namespace bsq {

/// Converts the layers of a float network to sign and magnitude (bsq/quant/sign_magnitude.h) at the rules'
/// bit widths, as fixed grids. Throws what bits_of_layers() throws, before anything is changed, and
/// std::invalid_argument that names the tensor for weights that are not finite.
void to_fixed_bits(torch::nn::Module& network, const LayerRules& rules);

/// The same at a scheme's bit widths; 0 bits make every value 0, layers that the scheme lacks stay float.
/// Throws std::invalid_argument for a layer of the scheme that the network lacks.
void to_fixed_bits(torch::nn::Module& network, const Scheme& scheme);

}  // namespace bsq
