#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bsq/nn/bit_layer.h"
#include "bsq/quant/accounting.h"
#include "bsq/quant/activation_quantizer.h"

namespace bsq {

/// Widths of one layer. Without a bias `bias` is 0.
struct LayerBits {
  int64_t weight = 0;
  int64_t bias = 0;
  bool operator==(const LayerBits& other) const { return weight == other.weight && bias == other.bias; }
};

/// Layer name ("layer1.0.conv1") to widths: a network's mixed precision.
using Scheme = std::map<std::string, LayerBits>;

/// Every bit-capable layer below a module with its path, in the module's order, those that are kept float
/// too.
std::vector<std::pair<std::string, BitLayer*>> bit_capable_layers(torch::nn::Module& network);
/// The same without those that are kept float. All that follows is about these layers alone.
std::vector<std::pair<std::string, BitLayer*>> bit_layers(torch::nn::Module& network);
/// Their weights and biases under state-dict names ("fc.bias").
std::vector<std::pair<std::string, BitParameter*>> bit_parameters(torch::nn::Module& network);
/// Every activation quantizer below a module.
std::vector<ActivationQuantizerImpl*> activation_quantizers(torch::nn::Module& network);
/// Parameters that are no layer's bits, planes, q or scale, with their names: batch norm, PACT alphas, float
/// layers, bit-capable layers that are kept float.
std::vector<std::pair<std::string, torch::Tensor>> float_parameters(torch::nn::Module& network);

/// Converts every float bit-capable layer to `bits` bits. Throws std::logic_error where a layer is not float,
/// and std::invalid_argument that names the layer for a width or a weight that conversion refuses.
void convert_to_bits(torch::nn::Module& network, int64_t bits);
/// The same, each layer at the scheme's width; 0 bits become one plane of zeros. Throws std::invalid_argument
/// that names the layer also where the scheme lacks one or has one that the network lacks.
void convert_to_scheme(torch::nn::Module& network, const Scheme& scheme);
/// Re-quantization of every layer in bits (bsq/methods/bsq/requantization.h).
void requantize_network(torch::nn::Module& network, int64_t max_bits);
/// Precision adjustment of every layer in bits (bsq/methods/bsq/precision_adjustment.h).
void adjust_network(torch::nn::Module& network, double threshold_percent);
/// Freezes or unfreezes the scheme, or makes every layer float, none of them kept so; see BitParameter.
void freeze_network(torch::nn::Module& network);
void unfreeze_network(torch::nn::Module& network);
void make_float_network(torch::nn::Module& network);
void set_gradient_mode(torch::nn::Module& network, GradientMode mode);

/// The representation that all layers share. Throws std::logic_error where they differ; a network without
/// bit-capable layers is float.
Representation network_representation(torch::nn::Module& network);
Scheme scheme_of(torch::nn::Module& network);
/// Sizes of a network in bits or frozen (see accounting.h).
Sizes network_sizes(torch::nn::Module& network);
/// sum_l (#weights_l n_l) B_l / #weights of a network in bits, differentiable: the penalty without alpha.
torch::Tensor network_penalty(torch::nn::Module& network);

}  // namespace bsq
