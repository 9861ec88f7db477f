#include "tools/cli/stored_network.h"

#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"

namespace bsq::cli {

std::shared_ptr<Network> stored_network(const std::string& path, const Checkpoint& file) {
  try {
    auto network = make_network(file.description);
    load_network(*network, file.network);
    network->eval();
    return network;
  } catch (const std::exception& error) {
    throw Error(path + ": " + error.what());
  }
}

}  // namespace bsq::cli
