#include "bsq/nn/network_state.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/utils.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "bsq/base/type_name.h"
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
  stored.offset = codes.offset.defined() ? on_cpu(codes.offset) : torch::Tensor();
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
  auto names = own_names(network);
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    if (item.value()->as<torch::nn::BatchNorm2d>() != nullptr) {
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

bool covers(const WeightSource& source, const std::string& slot) {
  const auto covered = source.covered_slots();
  return std::find(covered.begin(), covered.end(), slot) != covered.end();
}

const torch::Tensor& plain_value(const std::string& name, const StoredTensor& stored) {
  if (stored.encoding != Encoding::kFloat) {
    throw Error(name + ": holds bits; expected a float tensor");
  }
  return stored.value;
}

// Integers would be some quantizer's codes, not values.
void require_real(const std::string& name, const torch::Tensor& value) {
  if (!value.is_floating_point()) {
    throw Error(name + ": " + type_name(value.scalar_type()) + ", expected floating point");
  }
}

void require_finite(const std::string& name, const torch::Tensor& tensor) {
  if (tensor.is_floating_point() && !tensor.isfinite().all().item<bool>()) {
    throw Error(name + ": holds a number that is not finite in " + type_name(tensor.scalar_type()));
  }
}

// A parameter or buffer takes real numbers; a counter takes any but complex ones.
void copy_checked(const std::string& name, torch::Tensor& tensor, const torch::Tensor& value) {
  if (tensor.is_floating_point() || value.is_complex()) {
    require_real(name, value);
  }
  require_shape(name, value.sizes(), tensor.sizes());
  tensor.copy_(value);
  require_finite(name, tensor);
}

// Fills a slot from its own entry. One number becomes one a channel where the entry says so.
void fill_slot(const std::string& name, torch::Tensor tensor, int64_t channels, const StoredTensor& stored) {
  const auto& value = plain_value(name, stored);
  if (tensor.dim() == 0 && value.dim() == 1 && value.size(0) == channels) {
    tensor.set_data(torch::empty(value.sizes(), tensor.options().requires_grad(false)));
  }
  copy_checked(name, tensor, value);
}

// The source of an entry and of the entries of those slots that it does not cover, which it takes.
std::unique_ptr<WeightSource> source_of(const std::string& name, const StoredTensor& stored,
                                        const torch::TensorOptions& options, StateOrigin origin,
                                        StateMap& by_name) {
  for (const auto& real : {stored.value, stored.positive, stored.negative}) {
    if (real.defined() && stored.encoding != Encoding::kCodes) {
      require_real(name, real);
    }
  }
  auto source = make_weight_source(stored, options);
  const int64_t channels = source->shape().empty() ? 1 : source->shape().front();
  for (const auto& slot : source->slots()) {
    if (stored.encoding == Encoding::kCodes || covers(*source, slot.name)) {
      continue;
    }
    const auto own_name = slot_name(name, slot.name);
    const auto found = by_name.find(own_name);
    if (found != by_name.end()) {
      fill_slot(own_name, slot.tensor, channels, *found->second);
      by_name.erase(found);
    } else if (origin == StateOrigin::kOwn || !slot.may_be_absent) {
      throw Error(own_name + ": missing");
    }
  }
  for (const auto& slot : source->slots()) {
    require_finite(slot_name(name, slot.name), slot.tensor);
  }
  source->refresh();
  return source;
}

// The same; every error names the tensor.
std::unique_ptr<WeightSource> named_source_of(const std::string& name, const StoredTensor& stored,
                                              const torch::TensorOptions& options, StateOrigin origin,
                                              StateMap& by_name) {
  try {
    return source_of(name, stored, options, origin, by_name);
  } catch (const std::invalid_argument& error) {
    throw Error(name + ": " + error.what());
  }
}

// The layer computes in its own type and where it is.
torch::TensorOptions options_of(const WeightSource& source) {
  return source.slots().front().tensor.options().requires_grad(false);
}

void load_source(const SourceRef& ref, StateOrigin origin, StateMap& by_name) {
  const auto found = by_name.find(ref.name);
  if (found == by_name.end()) {
    throw Error(ref.name + ": missing");
  }
  const auto& stored = *found->second;
  by_name.erase(found);
  require_shape(ref.name, stored.shape(), ref.source().shape());
  ref.set(named_source_of(ref.name, stored, options_of(ref.source()), origin, by_name));
}

void load_plain(const std::string& name, torch::Tensor& tensor, const StoredTensor& stored) {
  copy_checked(name, tensor, plain_value(name, stored));
}

std::string and_others(size_t others) {
  return others == 0 ? "" : " (and " + std::to_string(others) + (others == 1 ? " other)" : " others)");
}

// Some of the names, for a message.
std::string some_of(const std::vector<std::string>& names) {
  constexpr size_t kMost = 3;
  std::string text;
  for (size_t i = 0; i < std::min(kMost, names.size()); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return text + and_others(names.size() - std::min(kMost, names.size()));
}

// The state's names that have no place in the network.
std::vector<std::string> foreign_names(torch::nn::Module& network, const StateMap& by_name) {
  std::set<std::string> modules;
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    modules.insert(item.key());
  }
  std::vector<std::string> names;
  for (const auto& [name, stored] : by_name) {
    const auto dot = name.rfind('.');
    if (dot == std::string::npos || modules.count(name.substr(0, dot)) == 0) {
      names.push_back(name);
    }
  }
  return names;
}

// Throws where the state lacks tensors of the network.
void require_names(torch::nn::Module& network, const StateMap& by_name, StateOrigin origin) {
  const auto may_be_absent =
      origin == StateOrigin::kImported ? absent_names(network) : std::set<std::string>();
  std::vector<std::string> missing;
  for (const auto& name : state_names(network)) {
    if (by_name.count(name) == 0 && may_be_absent.count(name) == 0) {
      missing.push_back(name);
    }
  }
  if (missing.empty()) {
    return;
  }
  const auto foreign = foreign_names(network, by_name);
  throw NamesDiffer(missing.front() + ": missing" + and_others(missing.size() - 1) +
                    (foreign.empty() ? "" : "; the network does not have " + some_of(foreign)));
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

StateMap state_map(const NetworkState& state) {
  StateMap by_name;
  for (const auto& [name, stored] : state) {
    by_name[name] = &stored;
  }
  return by_name;
}

std::unique_ptr<WeightSource> latent_source(const std::string& name, const StateMap& state) {
  const auto found = state.find(name);
  if (found == state.end() || found->second->encoding != Encoding::kLatent) {
    return nullptr;
  }
  torch::NoGradGuard no_grad;
  auto others = state;
  try {
    return source_of(name, *found->second, torch::dtype(found->second->type()), StateOrigin::kOwn, others);
  } catch (const std::invalid_argument&) {
    return nullptr;
  } catch (const Error&) {
    return nullptr;
  }
}

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

std::set<std::string> own_names(torch::nn::Module& network) {
  std::set<std::string> names;
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    if (const auto* module = dynamic_cast<const SlotModule*>(item.value().get())) {
      for (const auto& slot : module->slots()) {
        if (slot.may_be_absent) {
          names.insert(item.key() + "." + slot.name);
        }
      }
    }
  }
  return names;
}

std::vector<std::string> state_names(torch::nn::Module& network) {
  std::vector<std::string> names;
  std::set<std::string> slots;
  for (const auto& ref : sources_of(network)) {
    names.push_back(ref.name);
    for (const auto& slot : ref.source().slots()) {
      slots.insert(ref.slot_name(slot.name));
    }
  }
  for (const auto& [name, tensor] : plain_tensors(network, slots)) {
    names.push_back(name);
  }
  return names;
}

void load_network(torch::nn::Module& network, const NetworkState& state, StateOrigin origin) {
  torch::NoGradGuard no_grad;
  auto by_name = state_map(state);
  require_names(network, by_name, origin);
  std::set<std::string> loaded;
  for (const auto& ref : sources_of(network)) {
    load_source(ref, origin, by_name);
    for (const auto& slot : ref.source().slots()) {
      loaded.insert(ref.slot_name(slot.name));
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
    throw NamesDiffer(by_name.begin()->first + ": not in the network" + and_others(by_name.size() - 1));
  }
}

std::vector<std::pair<std::string, Codes>> codes_of(const NetworkState& state) {
  torch::NoGradGuard no_grad;
  auto by_name = state_map(state);
  std::vector<std::pair<std::string, Codes>> codes;
  for (const auto& [name, stored] : state) {
    if (stored.encoding != Encoding::kFloat) {
      const auto source =
          named_source_of(name, stored, torch::dtype(stored.type()), StateOrigin::kOwn, by_name);
      codes.emplace_back(name, *source->codes());
    }
  }
  return codes;
}

}  // namespace bsq
