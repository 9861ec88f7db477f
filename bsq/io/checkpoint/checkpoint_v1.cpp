#include "bsq/io/checkpoint/checkpoint_v1.h"

#include <map>
#include <utility>

#include "bsq/io/hdf5/hdf5_attribute.h"

namespace bsq {
namespace {

constexpr IntegerField kDepth{"depth", 0, 1'000'000};
constexpr IntegerField kQuantizeShortcut{"quantize_shortcut", 0, 1};

bool takes_suffix(const std::string& name, const std::string& suffix) {
  return name.size() >= suffix.size() &&
         name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

// "fc.bias" and "scale": "fc.biasscale"; "fc.weight" and "scale": "fc.scale".
std::string beside(const std::string& tensor, const std::string& slot) {
  const auto layer = tensor.substr(0, tensor.rfind('.') + 1);
  return layer + (takes_suffix(tensor, ".bias") ? "bias" : "") + slot;
}

// The registered name of what version 1 called "TENSOR.scale", "TENSOR.positive" and "TENSOR.negative".
std::string momentum_name(const std::string& name) {
  const auto dot = name.rfind('.');
  if (dot == std::string::npos) {
    return name;
  }
  const auto tensor = name.substr(0, dot);
  const bool is_weight = takes_suffix(tensor, ".weight");
  if (!is_weight && !takes_suffix(tensor, ".bias")) {
    return name;
  }
  const auto last = name.substr(dot + 1);
  const auto layer = tensor.substr(0, tensor.rfind('.') + 1);
  const std::string noun = is_weight ? "weight" : "bias";
  if (last == "positive") {
    return layer + "p" + noun;
  }
  if (last == "negative") {
    return layer + "n" + noun;
  }
  return last == "scale" ? beside(tensor, "scale") : name;
}

void upgrade(NetworkState& network) {
  NetworkState scales;
  for (auto& [name, stored] : network) {
    if (stored.encoding == Encoding::kPlanes) {
      stored.source = "bsq";
    } else if (stored.encoding == Encoding::kCodes) {
      if (!stored.value.any().item<bool>()) {
        stored.format = sign_magnitude(0);
        stored.bits = 0;
      }
    } else if (stored.encoding == Encoding::kLatent) {
      stored.source = "frozen";
      StoredTensor scale;
      scale.value = std::exchange(stored.scale, torch::Tensor());
      scales.emplace_back(beside(name, "scale"), scale);
    }
  }
  network.insert(network.end(), scales.begin(), scales.end());
}

void upgrade(TrainingState& state) {
  upgrade(state.network);
  std::map<std::string, torch::Tensor> momenta;
  for (auto& [name, tensor] : state.optimizer) {
    momenta[momentum_name(name)] = tensor;
  }
  state.optimizer = std::move(momenta);
}

// Version 1 wrote the ResNet's options for every architecture; another one knows those that differ from their
// defaults.
void drop_defaults(std::map<std::string, std::string>& options) {
  const std::map<std::string, std::string> kDefaults = {
      {"depth", "20"}, {"block-name", "BasicBlock"}, {"quantize-shortcut", "false"}};
  for (const auto& [name, text] : kDefaults) {
    if (options.at(name) == text) {
      options.erase(name);
    }
  }
}

}  // namespace

void read_root_v1(const Hdf5Handle& file, Checkpoint& checkpoint) {
  const std::string kind = read_text(file, "kind");
  static const std::map<std::string, std::string> kMethods = {
      {"float", "float"}, {"bits", "bsq"}, {"frozen", "frozen"}};
  const auto method = kMethods.find(kind);
  if (method == kMethods.end()) {
    file.fail("the attribute kind is '" + printable(kind) + "', expected one of 'float', 'bits', 'frozen'");
  }
  checkpoint.method = method->second;
  auto& options = checkpoint.description.options;
  options["depth"] = std::to_string(read_integer(file, kDepth));
  options["block-name"] = read_text(file, "block_name");
  options["quantize-shortcut"] = read_integer(file, kQuantizeShortcut) != 0 ? "true" : "false";
  if (checkpoint.description.architecture != "resnet") {
    drop_defaults(options);
  }
}

void upgrade_v1(Checkpoint& checkpoint) {
  upgrade(checkpoint.network);
  if (checkpoint.training) {
    upgrade(*checkpoint.training);
  }
}

}  // namespace bsq
