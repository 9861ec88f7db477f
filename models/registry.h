#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bsq/graph/cost.h"
#include "bsq/nn/network.h"
#include "models/architecture.h"

namespace bsq {

/// The network of a description, float, on the CPU; its own description has every option of the architecture.
/// Throws std::invalid_argument for an architecture that is not among architectures(), for an option that it
/// does not know and for whatever it refuses; std::logic_error for a name that is registered twice.
std::shared_ptr<Network> make_network(const NetworkDescription& description);

/// A new network of that description with the layers and norms of this float network, on its device and in
/// its type. Tensors of activations are taken where they have the same name and shape, the others are as in a
/// new network. Throws std::invalid_argument for a network that holds bits, for one of another
/// architecture and where norms are wanted of a network that has none, beside what make_network() throws.
std::shared_ptr<Network> rebuild(Network& network, const NetworkDescription& description);

/// The description with every option of its architecture, as make_network() gives it to its network. Throws
/// what make_network() throws for options.
NetworkDescription completed(const NetworkDescription& description);

/// Architecture::training_only() of a description's network.
std::vector<std::string> training_only(const NetworkDescription& description);

/// What the names of a description's options may hide of its network, in a sentence; "": nothing.
std::string remark_on(const NetworkDescription& description);

/// The program of a description, recorded without modules, so that nothing is drawn or allocated. Nothing for
/// an architecture whose forward() is written by hand. Throws what make_network() throws.
std::optional<Program> program_of(const NetworkDescription& description);

/// The cost of a description's network (bsq/graph/cost.h). Nothing where no program is known: for an unknown
/// architecture, one whose forward() is written by hand, and where options or layers do not fit it.
std::optional<NetworkCost> cost_of(const NetworkDescription& description, const WeightBits& weight_bits);

/// Names that `-a` takes, sorted.
std::vector<std::string> architectures();

/// What is known of an architecture.
struct ArchitectureInfo {
  std::string name;
  std::string sentence;  ///< what it is
  std::string source;    ///< the paper
};
/// Throws std::invalid_argument for a name that is not among architectures(), as does make_architecture().
ArchitectureInfo architecture_info(const std::string& name);
/// A fresh one, with its defaults: for its options. Null where forward() is written by hand.
std::unique_ptr<Architecture> make_architecture(const std::string& name);

/// Adds an architecture under the name that `-a` takes and that files store.
void register_architecture(const ArchitectureInfo& info,
                           std::function<std::unique_ptr<Architecture>()> factory);

/// Registers an architecture before main() begins, from the file that defines it:
///     const bsq::ArchitectureRegistration<SmallNet> kSmallNet("small_net", "Four convolutions.", "an
///     example");
/// The file's object has to be part of the program: in a static library the linker leaves it out
/// (docs/add-a-network.md).
template <typename Kind>
struct ArchitectureRegistration {
  ArchitectureRegistration(const char* name, const char* sentence, const char* source) {
    register_architecture({name, sentence, source}, [] { return std::make_unique<Kind>(); });
  }
};

/// Builds a network whose forward() is written by hand, float, on the CPU. May throw std::invalid_argument.
using NetworkFactory = std::function<std::shared_ptr<Network>(const NetworkDescription&)>;

/// The same as register_architecture() for a network whose forward() is written by hand. It gets the
/// description's options as they were given.
void register_network(const std::string& name, NetworkFactory factory);

/// Registers a network class whose forward() is written by hand:
///     const bsq::NetworkRegistration<OddNetImpl> kOddNet("odd_net");
/// The class derives from Network and is built from a NetworkDescription.
template <typename Impl>
struct NetworkRegistration {
  explicit NetworkRegistration(const std::string& name) {
    register_network(
        name, [](const NetworkDescription& description) { return std::make_shared<Impl>(description); });
  }
};

}  // namespace bsq
