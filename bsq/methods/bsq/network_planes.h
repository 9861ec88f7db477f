#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bsq/methods/bsq/plane_weight.h"
#include "bsq/nn/layer_rules.h"

namespace bsq {

/// A network's weights and biases that are bit planes, under their state-dict names.
std::vector<std::pair<std::string, PlaneWeight*>> plane_weights(torch::nn::Module& network);

/// Converts the layers of a float module tree to bit planes in place, as the rules say. Layers that stay
/// float are trained as float parameters from then on: the penalty, re-quantization and precision adjustment
/// pass over them, `comp` leaves them out and `comp_stored` counts 32 bits for each of their weights. Throws
/// what bits_of_layers() throws, before anything is changed, std::invalid_argument that names the layer for
/// weights that are not finite, and std::logic_error where a layer is not float.
void to_bits(torch::nn::Module& network, const LayerRules& rules);

/// Makes planes of every weight that holds bits; the values stay. Codes that are not sign and magnitude are
/// rounded to as many bits of it.
void to_planes(torch::nn::Module& network);

/// Re-quantization of every weight in planes (bsq/methods/bsq/requantization.h).
void requantize_network(torch::nn::Module& network, int64_t max_bits);
/// Precision adjustment of every weight in planes (bsq/methods/bsq/precision_adjustment.h).
void adjust_network(torch::nn::Module& network, double threshold_percent);

/// The same two, for planes that keep what lies between the integers (bsq/methods/bsq/real_planes.h): a
/// weight whose integers need one bit more gets it, up to `max_bits`; then adjust_real() drops planes. Biases
/// lose none: they cost next to nothing, and their scale, which is trained, would take the bits one by one.
void adjust_real_network(torch::nn::Module& network, int64_t max_bits, double threshold_percent);
/// Makes the planes of every weight that rounds to 0 exactly 0.
void empty_zero_weights(torch::nn::Module& network);
/// Rounds every weight in planes to its integers and drops empty planes; bit widths do not grow.
void round_network(torch::nn::Module& network);

/// sum_l (N_l n_l) B_l / N, N_l of N weights, differentiable: the penalty without alpha.
torch::Tensor network_penalty(torch::nn::Module& network);

}  // namespace bsq
