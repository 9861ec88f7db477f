#include "models/registry.h"

#include <torch/utils.h>

#include <map>
#include <stdexcept>
#include <utility>

#include "bsq/graph/graph_network.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/norm_factory.h"
#include "bsq/nn/norm_module.h"

namespace bsq {
namespace {

/// One of the two makes the network.
struct Entry {
  ArchitectureInfo info;
  std::function<std::unique_ptr<Architecture>()> architecture;
  NetworkFactory network;
};

// Made at its first use: other files register before main().
std::multimap<std::string, Entry>& entries() {
  static std::multimap<std::string, Entry> all;
  return all;
}

void add(Entry entry) {
  auto name = entry.info.name;
  entries().emplace(std::move(name), std::move(entry));
}

std::string expected_names() {
  std::string text;
  for (const auto& name : architectures()) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

const Entry& entry_of(const std::string& name) {
  const auto [first, last] = entries().equal_range(name);
  if (first == last) {
    throw std::invalid_argument("architecture '" + name + "'; expected " + expected_names());
  }
  if (std::next(first) != last) {
    throw std::logic_error("architecture '" + name + "' is registered twice");
  }
  return first->second;
}

/// An architecture with the options of a description, and the description with all of its options.
struct Configured {
  std::unique_ptr<Architecture> architecture;
  NetworkDescription description;

  Flow flow() const {
    return [this](Builder& builder, Value image) { return architecture->build(builder, image); };
  }
};

Configured configure(const Entry& entry, const NetworkDescription& description) {
  Configured result{entry.architecture(), description};
  OptionTable table;
  result.architecture->add_options(table);
  for (const auto& [name, text] : description.options) {
    table.set(name, text);
  }
  result.architecture->resolve(description);
  result.description.options = table.values();
  return result;
}

using TensorsByName = torch::OrderedDict<std::string, torch::Tensor>;

void copy_tensors(const TensorsByName& from, const TensorsByName& to) {
  for (const auto& item : from) {
    const auto* other = to.find(item.key());
    if (other != nullptr && other->sizes() == item.value().sizes()) {
      torch::Tensor(*other).copy_(item.value());
    }
  }
}

// Counters keep their type: Module::to() would make floating point of them too.
void move_like(torch::nn::Module& network, const torch::Tensor& like) {
  network.to(like.device());
  for (auto tensors : {network.parameters(), network.buffers()}) {
    for (auto& tensor : tensors) {
      if (tensor.is_floating_point() && tensor.scalar_type() != like.scalar_type()) {
        tensor.set_data(tensor.to(like.scalar_type()));
      }
    }
  }
}

// What norms of another kind take from batch norms.
void take_norms(torch::nn::Module& from, torch::nn::Module& to) {
  const auto modules = to.named_modules();
  for (const auto& item : from.named_modules()) {
    const auto* norm = item.value()->as<torch::nn::BatchNorm2d>();
    const auto* other = modules.find(item.key());
    auto* made = other == nullptr ? nullptr : dynamic_cast<NormModule*>(other->get());
    if (norm != nullptr && made != nullptr) {
      made->take(*norm);
    }
  }
}

}  // namespace

std::shared_ptr<Network> make_network(const NetworkDescription& description) {
  const auto& entry = entry_of(description.architecture);
  if (entry.network) {
    return entry.network(description);
  }
  const auto configured = configure(entry, description);
  auto network = std::make_shared<GraphNetwork>(configured.description, configured.flow());
  configured.architecture->initialize(*network->program());
  return network;
}

std::shared_ptr<Network> rebuild(Network& network, const NetworkDescription& description) {
  const auto& before = network.description();
  if (!is_float(network)) {
    throw std::invalid_argument("holds bits; expected a float network");
  }
  if (description.architecture != before.architecture || completed(description).options != before.options ||
      description.classes != before.classes) {
    throw std::invalid_argument("is of another architecture");
  }
  if (before.norm == kNoNorm && description.norm != kNoNorm) {
    throw std::invalid_argument("has its norms in scales and biases; expected norms of the kind '" +
                                description.norm + "'");
  }
  auto made = make_network(description);
  const auto like = network.parameters().front();
  torch::NoGradGuard no_grad;
  move_like(*made, like);
  copy_tensors(network.named_parameters(), made->named_parameters());
  copy_tensors(network.named_buffers(), made->named_buffers());
  take_norms(network, *made);
  made->train(network.is_training());
  return made;
}

NetworkDescription completed(const NetworkDescription& description) {
  const auto& entry = entry_of(description.architecture);
  return entry.network ? description : configure(entry, description).description;
}

std::vector<std::string> training_only(const NetworkDescription& description) {
  const auto& entry = entry_of(description.architecture);
  return entry.network ? std::vector<std::string>()
                       : configure(entry, description).architecture->training_only();
}

std::string remark_on(const NetworkDescription& description) {
  const auto& entry = entry_of(description.architecture);
  return entry.network ? "" : configure(entry, description).architecture->remark();
}

std::optional<Program> program_of(const NetworkDescription& description) {
  const auto& entry = entry_of(description.architecture);
  if (entry.network) {
    return std::nullopt;
  }
  const auto configured = configure(entry, description);
  return record(configured.description, configured.flow(), /*root=*/nullptr);
}

std::optional<NetworkCost> cost_of(const NetworkDescription& description, const WeightBits& weight_bits) {
  try {
    const auto program = program_of(description);
    return program ? std::optional(cost_of(*program, weight_bits)) : std::nullopt;
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries()) {
    if (names.empty() || names.back() != name) {
      names.push_back(name);
    }
  }
  return names;
}

ArchitectureInfo architecture_info(const std::string& name) { return entry_of(name).info; }

std::unique_ptr<Architecture> make_architecture(const std::string& name) {
  const auto& entry = entry_of(name);
  return entry.architecture ? entry.architecture() : nullptr;
}

void register_architecture(const ArchitectureInfo& info,
                           std::function<std::unique_ptr<Architecture>()> factory) {
  add({info, std::move(factory), nullptr});
}

void register_network(const std::string& name, NetworkFactory factory) {
  add({{name, "A network whose forward pass is written by hand.", ""}, nullptr, std::move(factory)});
}

}  // namespace bsq
