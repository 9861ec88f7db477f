#include "bsq/io/model_file.h"

#include <filesystem>
#include <map>
#include <optional>

#include "bsq/base/error.h"
#include "bsq/io/pytorch/pytorch_reader.h"
#include "bsq/nn/quant_layer.h"
#include "bsq/quant/codes.h"

namespace bsq {
namespace {

using TensorMap = std::map<std::string, torch::Tensor>;
using BitsMap = std::map<std::string, std::pair<int64_t, int64_t>>;

// How the published code calls the parts of a tensor that holds bits.
struct PartNames {
  std::string noun, positive, negative, scale;
};
const PartNames kWeightParts = {"weight", ".pweight", ".nweight", ".scale"};
const PartNames kBiasParts = {"bias", ".pbias", ".nbias", ".biasscale"};

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() >= ending.size() &&
         text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

torch::Tensor scale_of(const TensorMap& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.numel() != 1) {
    throw Error(name + ": missing or not one number");
  }
  return found->second.reshape({});
}

StoredTensor planes_from(const TensorMap& tensors, const std::string& layer, const PartNames& parts) {
  const auto& positive = tensors.at(layer + parts.positive);
  const auto negative = tensors.find(layer + parts.negative);
  if (negative == tensors.end() || negative->second.sizes() != positive.sizes() || positive.dim() < 1) {
    throw Error(layer + parts.negative + ": missing or not of the shape of " + layer + parts.positive);
  }
  StoredTensor stored;
  stored.encoding = Encoding::kPlanes;
  stored.source = "bsq";
  stored.positive = positive.movedim(-1, 0).contiguous();
  stored.negative = negative->second.movedim(-1, 0).contiguous();
  stored.scale = scale_of(tensors, layer + parts.scale).to(positive.scalar_type());
  stored.bits = stored.positive.size(0);
  if (stored.bits < kMinBits || stored.bits > kMaxBits) {
    throw Error(layer + parts.positive + ": " + std::to_string(stored.bits) + " bits; expected " +
                std::to_string(kMinBits) + " to " + std::to_string(kMaxBits));
  }
  stored.format = sign_magnitude(stored.bits);
  return stored;
}

int64_t width_in(const BitsMap& bits, const std::string& layer, bool is_bias) {
  const auto found = bits.find(layer);
  const int64_t width = found == bits.end() ? 0 : (is_bias ? found->second.second : found->second.first);
  if (width < 0 || width > kMaxBits) {
    throw Error("Nbit_dict: " + layer + " has " + std::to_string(width) + " bits; expected 0 to " +
                std::to_string(kMaxBits));
  }
  return width;
}

// A published finetuned tensor: q, whose scale is an entry of its own.
StoredTensor frozen_from(const TensorMap& tensors, const BitsMap& bits, const std::string& layer,
                         const PartNames& parts) {
  StoredTensor stored;
  stored.encoding = Encoding::kLatent;
  stored.source = "frozen";
  stored.value = tensors.at(layer + "." + parts.noun);
  stored.bits = width_in(bits, layer, parts.noun == "bias");
  stored.format = sign_magnitude(stored.bits);
  return stored;
}

StoredTensor scale_entry(const torch::Tensor& scale) {
  StoredTensor stored;
  stored.value = scale;
  return stored;
}

// The tensor of 0 bits that stands for a bias which the published finetuning lost.
StoredTensor lost_bias(const torch::Tensor& weight) {
  StoredTensor stored;
  stored.encoding = Encoding::kCodes;
  stored.value = torch::zeros({weight.size(0)}, torch::kInt32);
  stored.scale = torch::zeros({}, weight.options());
  stored.format = sign_magnitude(0);
  return stored;
}

// Whether it is the scale of a tensor that is frozen.
bool is_frozen_scale(const std::string& name, const PartNames& parts, const TensorMap& tensors) {
  const auto layer = name.substr(0, name.size() - parts.scale.size());
  return tensors.count(layer + parts.positive) == 0 && tensors.count(layer + "." + parts.noun) != 0;
}

// The stored form of `name` if it is the tensor that stands for its group; none for a plane's or a scale's
// companions.
std::optional<std::pair<std::string, StoredTensor>> import_tensor(const std::string& name,
                                                                  const TensorMap& tensors,
                                                                  const BitsMap& bits) {
  for (const auto* parts : {&kWeightParts, &kBiasParts}) {
    if (ends_with(name, parts->positive)) {
      const auto layer = name.substr(0, name.size() - parts->positive.size());
      return {{layer + "." + parts->noun, planes_from(tensors, layer, *parts)}};
    }
    if (ends_with(name, parts->scale) && is_frozen_scale(name, *parts, tensors)) {
      return {{name, scale_entry(scale_of(tensors, name))}};
    }
    if (ends_with(name, parts->negative) || ends_with(name, parts->scale)) {
      return std::nullopt;
    }
    if (ends_with(name, "." + parts->noun)) {
      const auto layer = name.substr(0, name.size() - parts->noun.size() - 1);
      if (tensors.count(layer + parts->scale) != 0) {
        return {{name, frozen_from(tensors, bits, layer, *parts)}};
      }
    }
  }
  StoredTensor stored;
  stored.value = tensors.at(name);
  return {{name, stored}};
}

std::string method_of(const NetworkState& state) {
  for (const auto& [name, stored] : state) {
    if (stored.encoding != Encoding::kFloat) {
      return stored.source;
    }
  }
  return "float";
}

}  // namespace

Checkpoint import_pytorch(const PyTorchCheckpoint& file) {
  const TensorMap tensors(file.state.begin(), file.state.end());
  Checkpoint checkpoint;
  for (const auto& [name, tensor] : file.state) {
    auto imported = import_tensor(name, tensors, file.bits);
    if (!imported) {
      continue;
    }
    checkpoint.network.push_back(*imported);
    const auto layer = name.substr(0, name.rfind('.'));
    const bool lacks_bias = tensors.count(layer + ".bias") == 0 && tensors.count(layer + ".pbias") == 0;
    if (imported->second.encoding == Encoding::kLatent && imported->second.value.dim() == 2 && lacks_bias) {
      checkpoint.network.emplace_back(layer + ".bias", lost_bias(imported->second.value));
    }
  }
  checkpoint.method = method_of(checkpoint.network);
  checkpoint.epoch = file.epoch.value_or(-1);
  checkpoint.top1 = file.accuracy.value_or(std::nan(""));
  return checkpoint;
}

ModelFile read_model(const std::string& path) {
  if (!is_pytorch_file(path)) {
    if (std::filesystem::is_regular_file(path) && !is_hdf5_file(path)) {
      throw Error(path + ": not a model file; expected our .h5 or PyTorch's .pth, .pth.tar, .th");
    }
    return {read_checkpoint(path), /*has_description=*/true};
  }
  const auto file = read_pytorch(path);
  try {
    return {import_pytorch(file), /*has_description=*/false};
  } catch (const Error& error) {
    throw Error(path + ": " + error.what());
  }
}

PyTorchCheckpoint export_pytorch(const NetworkState& float_network, const BitsMap& scheme) {
  PyTorchCheckpoint file;
  for (const auto& [name, stored] : float_network) {
    if (!ends_with(name, ".range")) {
      file.state.emplace_back(name, stored.value);
    }
  }
  file.bits = scheme;
  file.has_bits = !scheme.empty();
  return file;
}

}  // namespace bsq
