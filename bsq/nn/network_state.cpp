#include "bsq/nn/network_state.h"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

torch::Tensor on_cpu(const torch::Tensor& tensor) { return tensor.detach().cpu().contiguous().clone(); }

StoredTensor float_entry(const torch::Tensor& tensor) {
  StoredTensor stored;
  stored.value = on_cpu(tensor);
  return stored;
}

StoredTensor codes_entry(const Codes& codes) {
  StoredTensor stored;
  stored.encoding = Encoding::kCodes;
  stored.value = on_cpu(codes.integers);
  stored.scale = on_cpu(codes.scale);
  stored.format = codes.format;
  stored.bits = codes.format.bits;
  return stored;
}

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

// Every parameter and buffer that is in none of the sets.
NamedTensors plain_tensors(torch::nn::Module& network, const std::set<std::string>& without) {
  NamedTensors tensors;
  const auto add = [&](const auto& items) {
    for (const auto& item : items) {
      if (without.count(item.key()) == 0) {
        tensors.emplace_back(item.key(), item.value());
      }
    }
  };
  add(network.named_parameters());
  add(network.named_buffers());
  return tensors;
}

// Registered names of those slots that the entries of a network's sources cover.
std::set<std::string> covered_names(torch::nn::Module& network) {
  std::set<std::string> names;
  for (const auto& ref : coded_sources(network)) {
    for (const auto& slot : ref.source().covered_slots()) {
      names.insert(ref.slot_name(slot));
    }
  }
  return names;
}

std::set<std::string> all_slot_names(torch::nn::Module& network) {
  std::set<std::string> names;
  for (const auto& ref : coded_sources(network)) {
    for (const auto& slot : ref.source().slots()) {
      names.insert(ref.slot_name(slot.name));
    }
  }
  return names;
}

// The registered names of slots and counters that an imported state may lack.
std::set<std::string> absent_names(torch::nn::Module& network) {
  std::set<std::string> names;
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    if (const auto* module = dynamic_cast<const SlotModule*>(item.value().get())) {
      for (const auto& slot : module->slots()) {
        if (slot.may_be_absent) {
          names.insert(item.key() + "." + slot.name);
        }
      }
    } else if (item.value()->as<torch::nn::BatchNorm2d>() != nullptr) {
      names.insert(item.key() + ".num_batches_tracked");
    }
  }
  return names;
}

void require_shape(const std::string& name, at::IntArrayRef found, at::IntArrayRef expected) {
  if (found != expected) {
    throw Error(name + ": shape " + c10::str(found) + "; expected " + c10::str(expected));
  }
}

// The layer computes in its own type and where it is.
torch::TensorOptions options_of(const WeightSource& source) {
  return source.slots().front().tensor.options().requires_grad(false);
}

using StateMap = std::map<std::string, const StoredTensor*>;

void load_source(const SourceRef& ref, StateMap& by_name) {
  const auto found = by_name.find(ref.name);
  if (found == by_name.end()) {
    throw Error(ref.name + ": missing");
  }
  const auto& stored = *found->second;
  require_shape(ref.name, stored.shape(), ref.source().shape());
  try {
    ref.set(make_weight_source(stored, options_of(ref.source())));
  } catch (const std::invalid_argument& error) {
    const std::string what = error.what();
    throw Error(what.rfind(ref.name, 0) == 0 ? what : ref.name + ": " + what);
  }
  by_name.erase(found);
}

void load_plain(const std::string& name, torch::Tensor& tensor, const StoredTensor& stored) {
  if (stored.encoding != Encoding::kFloat) {
    throw Error(name + ": holds bits; expected a float tensor");
  }
  require_shape(name, stored.value.sizes(), tensor.sizes());
  tensor.copy_(stored.value);
}

template <typename Entry>
NetworkState state_with(torch::nn::Module& network, const std::set<std::string>& covered,
                        const Entry& entry) {
  torch::NoGradGuard no_grad;
  NetworkState state;
  for (const auto& ref : coded_sources(network)) {
    state.emplace_back(ref.name, entry(ref.source()));
  }
  for (const auto& [name, tensor] : plain_tensors(network, covered)) {
    state.emplace_back(name, float_entry(tensor));
  }
  return state;
}

}  // namespace

NetworkState save_network(torch::nn::Module& network) {
  return state_with(network, covered_names(network),
                    [](const WeightSource& source) { return source.store(); });
}

NetworkState codes_of_network(torch::nn::Module& network) {
  return state_with(network, all_slot_names(network),
                    [](const WeightSource& source) { return codes_entry(*source.codes()); });
}

NetworkState float_state(torch::nn::Module& network) {
  return state_with(network, all_slot_names(network),
                    [](const WeightSource& source) { return float_entry(source.value()); });
}

void load_network(torch::nn::Module& network, const NetworkState& state, StateOrigin origin) {
  torch::NoGradGuard no_grad;
  StateMap by_name;
  for (const auto& [name, stored] : state) {
    by_name[name] = &stored;
  }
  std::set<std::string> loaded;
  for (const auto& ref : sources_of(network)) {
    load_source(ref, by_name);
    for (const auto& slot : ref.source().covered_slots()) {
      loaded.insert(ref.slot_name(slot));
    }
  }
  const auto may_be_absent =
      origin == StateOrigin::kImported ? absent_names(network) : std::set<std::string>();
  for (auto& [name, tensor] : plain_tensors(network, loaded)) {
    const auto found = by_name.find(name);
    if (found != by_name.end()) {
      load_plain(name, tensor, *found->second);
      by_name.erase(found);
    } else if (may_be_absent.count(name) == 0) {
      throw Error(name + ": missing");
    }
  }
  if (!by_name.empty()) {
    throw Error(by_name.begin()->first + ": not in the network");
  }
  for (const auto& ref : coded_sources(network)) {
    ref.source().refresh();
  }
}

std::vector<std::pair<std::string, Codes>> codes_of(const NetworkState& state) {
  torch::NoGradGuard no_grad;
  std::map<std::string, const StoredTensor*> by_name;
  for (const auto& [name, stored] : state) {
    by_name[name] = &stored;
  }
  std::vector<std::pair<std::string, Codes>> codes;
  for (const auto& [name, stored] : state) {
    if (stored.encoding == Encoding::kFloat) {
      continue;
    }
    try {
      const auto source = make_weight_source(stored, torch::kFloat32);
      const bool is_bias = name.size() >= 5 && name.compare(name.size() - 5, 5, ".bias") == 0;
      const auto covered = source->covered_slots();
      for (auto slot : source->slots()) {
        const auto entry =
            by_name.find(name.substr(0, name.rfind('.') + 1) + registered_name(slot.name, is_bias));
        if (std::find(covered.begin(), covered.end(), slot.name) == covered.end() && entry != by_name.end()) {
          slot.tensor.copy_(entry->second->value);
        }
      }
      source->refresh();
      codes.emplace_back(name, *source->codes());
    } catch (const std::invalid_argument& error) {
      throw Error(name + ": " + error.what());
    }
  }
  return codes;
}

}  // namespace bsq
