#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bsq/graph/program.h"
#include "bsq/nn/network.h"

namespace bsq {

/// Bit width of each layer's weights, by the layer's path ("layer1.0.conv1"). A layer that is missing is
/// float: 32 bits. 0 bits: no digit is left, the layer costs nothing.
using WeightBits = std::map<std::string, int64_t>;

/// What one layer costs for one image.
struct LayerCost {
  std::string path;
  int64_t macs = 0;  ///< multiply-accumulates; biases are not counted
  int64_t weight_bits = 32;
  int64_t activation_bits = 32;  ///< of its input
  int64_t bit_operations() const { return macs * weight_bits * activation_bits; }
};

/// What a network's convolutions and linear layers cost for one image. Norms, activations, sums and pools are
/// not counted.
struct NetworkCost {
  std::vector<LayerCost> layers;
  int64_t macs() const;
  /// Bit operations (BOPs): the sum of weight bits x activation bits x multiply-accumulates (van Baalen et
  /// al., "Bayesian Bits", NeurIPS 2020, arXiv 2005.07093). Authors who also count the adders' bits get more.
  int64_t bit_operations() const;
};

/// The cost of a program.
///
/// Activation bits of a layer are those of its input: 8 of the image, k of an activation quantized to k bits,
/// 32 of anything float: a plain ReLU, an activation of 0 bits, what a norm, a sum or a layer gives. Pools
/// and flatten give the bits that they take, as is usual in the literature (an average has a few bits more);
/// several values joined have those of the widest. Throws std::invalid_argument for a layer that the program
/// lacks.
NetworkCost cost_of(const Program& program, const WeightBits& weight_bits);

/// The cost of a network's program; nothing where it has none.
std::optional<NetworkCost> cost_of(const Network& network, const WeightBits& weight_bits);

}  // namespace bsq
