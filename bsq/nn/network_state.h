#pragma once

#include <torch/torch.h>

#include "bsq/nn/stored_tensor.h"

namespace bsq {

/// Everything that a network holds: weights with bits as their sources store them, then every other parameter
/// and buffer.
NetworkState save_network(torch::nn::Module& network);
/// The same with every weight's codes (kCodes) in place of planes and master tensors.
NetworkState codes_of_network(torch::nn::Module& network);
/// The same with every weight float, of the values that it stands for.
NetworkState float_state(torch::nn::Module& network);

/// Where a state comes from. An imported one (PyTorch) may lack those slots that say so (Slot::may_be_absent)
/// and counters of batch norm; they keep their values.
enum class StateOrigin { kOwn, kImported };

/// Fills a network from a state and gives every layer the weight source that its entries name. Names and
/// shapes must be the network's own. Throws bsq::Error that names the tensor.
void load_network(torch::nn::Module& network, const NetworkState& state,
                  StateOrigin origin = StateOrigin::kOwn);

/// The codes of a state's tensors, in its order. Throws bsq::Error that names the tensor.
std::vector<std::pair<std::string, Codes>> codes_of(const NetworkState& state);

}  // namespace bsq
