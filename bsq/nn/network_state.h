#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bsq {

/// How a stored tensor is represented.
enum class Encoding {
  kFloat,   ///< an ordinary tensor: float parameter or buffer, any type
  kBinary,  ///< bits whose digits are all 0 or 1 and of one sign a weight: stored as signed integers
  kPlanes,  ///< bit planes in mid-training, real-valued
  kFrozen   ///< a frozen scheme in finetuning: the real-valued q
};

/// One tensor of a network as files hold it, on the CPU, contiguous.
struct StoredTensor {
  Encoding encoding = Encoding::kFloat;
  /// kFloat: the tensor. kBinary: int32, the signed integers in [-(2^bits-1), 2^bits-1]. kFrozen: q. kPlanes:
  /// undefined.
  torch::Tensor value;
  torch::Tensor positive;  ///< kPlanes: (bits, *shape), bit 0 the most significant
  torch::Tensor negative;  ///< kPlanes: (bits, *shape)
  torch::Tensor scale;     ///< 0-dimensional; undefined for kFloat
  int64_t bits = 0;        ///< width; 0 for kFloat, and for a layer whose bits are all gone
};

/// All tensors of a network under their state-dict names ("layer1.0.conv1.weight"), in the network's own
/// order.
using NetworkState = std::vector<std::pair<std::string, StoredTensor>>;

/// Everything that a network holds: bit-capable tensors as they are, then float parameters and buffers.
NetworkState save_network(torch::nn::Module& network);

/// Fills a network from a state. Names and shapes must be the network's own; what may be missing keeps its
/// value: counters of batch norm, activation ranges and PACT alphas, which a published or a float file does
/// not have. Where anything holds bits, layers whose weights are float are kept float. Throws bsq::Error that
/// names the tensor.
void load_network(torch::nn::Module& network, const NetworkState& state);

}  // namespace bsq
