#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bsq/nn/network.h"

namespace bsq {

/// Builds the network of a description, float, on the CPU. May throw std::invalid_argument for a description
/// that it refuses.
using NetworkFactory = std::function<std::shared_ptr<Network>(const NetworkDescription&)>;

/// The network of a description, float, on the CPU. Throws std::invalid_argument for an architecture that is
/// not among architectures() and for whatever the architecture refuses, std::logic_error for a name that two
/// networks registered.
std::shared_ptr<Network> make_network(const NetworkDescription& description);

/// Names that `-a` takes, sorted.
std::vector<std::string> architectures();

/// Adds a network under the name that `-a` takes and that files store as their architecture.
void register_network(const std::string& name, NetworkFactory factory);

/// Registers a network class before main() begins, from the file that defines it:
///     const bsq::NetworkRegistration<SmallNetImpl> kRegistration("small_net");
/// The class derives from Network and is built from a NetworkDescription. The file's object has to be part of
/// the program: in a static library the linker leaves it out (models/README.md).
template <typename Impl>
struct NetworkRegistration {
  explicit NetworkRegistration(const std::string& name) {
    register_network(
        name, [](const NetworkDescription& description) { return std::make_shared<Impl>(description); });
  }
};

}  // namespace bsq
