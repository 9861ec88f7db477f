#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bsq/nn/network.h"

namespace bsq {

/// The network of a description, float, on the CPU. Throws std::invalid_argument for an architecture that is
/// not among architectures() and for whatever the architecture refuses.
std::shared_ptr<Network> make_network(const NetworkDescription& description);

/// Names that `-a` takes.
std::vector<std::string> architectures();

}  // namespace bsq
