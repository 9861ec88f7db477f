#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bsq/base/error.h"
#include "bsq/nn/stored_tensor.h"
#include "bsq/nn/weight_source.h"

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

/// A state lacks tensors of the network, or has others. The message names some of each.
class NamesDiffer : public Error {
 public:
  using Error::Error;
};

/// Fills a network from a state and gives every layer the weight source that its entries name. Names and
/// shapes must be the network's own, weights and statistics real numbers, finite in the network's type.
/// Throws NamesDiffer for names, bsq::Error that names the tensor for the rest.
void load_network(torch::nn::Module& network, const NetworkState& state,
                  StateOrigin origin = StateOrigin::kOwn);

/// The names that load_network takes: of weights, biases, parameters and buffers.
std::vector<std::string> state_names(torch::nn::Module& network);

/// Those of slots that PyTorch's own modules do not have (Slot::may_be_absent), such as ranges of
/// activations.
std::set<std::string> own_names(torch::nn::Module& network);

/// A state's entries by name.
using StateMap = std::map<std::string, const StoredTensor*>;
StateMap state_map(const NetworkState& state);

/// The source of a latent entry, with the slots that other entries fill. Null where they make none, and for
/// an entry of another encoding.
std::unique_ptr<WeightSource> latent_source(const std::string& name, const StateMap& state);

/// The codes of a state's tensors, in its order. Throws bsq::Error that names the tensor.
std::vector<std::pair<std::string, Codes>> codes_of(const NetworkState& state);

}  // namespace bsq
