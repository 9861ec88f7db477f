#include "bsq/io/pytorch_model.h"

#include <torch/utils.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/base/type_name.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/weight_source.h"
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
  if (found == tensors.end() || found->second.numel() != 1 || !found->second.is_floating_point()) {
    throw Error(name + ": missing or not one number of floating point");
  }
  return found->second.reshape({});
}

StoredTensor planes_from(const TensorMap& tensors, const std::string& layer, const PartNames& parts) {
  const auto& positive = tensors.at(layer + parts.positive);
  if (!positive.is_floating_point()) {
    throw Error(layer + parts.positive + ": " + type_name(positive.scalar_type()) +
                ", expected floating point");
  }
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

// Without its bit width nothing tells which values the integers stand for.
int64_t bits_in(const BitsMap& bits, const std::string& layer, const PartNames& parts) {
  const auto found = bits.find(layer);
  if (found == bits.end()) {
    throw Error(layer + "." + parts.noun + ": its bit width is not known: " + layer + parts.scale +
                " is in the file, but no entry '" + layer + "' of an Nbit_dict");
  }
  const int64_t number = parts.noun == kBiasParts.noun ? found->second.second : found->second.first;
  if (number < 0 || number > kMaxBits) {
    throw Error("Nbit_dict: " + layer + " has " + std::to_string(number) + " bits; expected 0 to " +
                std::to_string(kMaxBits));
  }
  return number;
}

// A published finetuned tensor: q, whose scale is an entry of its own.
StoredTensor frozen_from(const TensorMap& tensors, const BitsMap& bits, const std::string& layer,
                         const PartNames& parts) {
  StoredTensor stored;
  stored.encoding = Encoding::kLatent;
  stored.source = "frozen";
  stored.value = tensors.at(layer + "." + parts.noun);
  stored.bits = bits_in(bits, layer, parts);
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

// The layer, where the name is that of one of its parts.
std::string layer_of(const std::string& name, const std::string& part) {
  return ends_with(name, part) ? name.substr(0, name.size() - part.size()) : "";
}

// Whether the planes that are read together with it are there.
bool is_companion(const std::string& name, const PartNames& parts, const TensorMap& tensors) {
  for (const auto& part : {parts.negative, parts.scale}) {
    const auto layer = layer_of(name, part);
    if (!layer.empty() && tensors.count(layer + parts.positive) != 0) {
      return true;
    }
  }
  return false;
}

// Whether it is the scale of a tensor that is frozen.
bool is_frozen_scale(const std::string& name, const PartNames& parts, const TensorMap& tensors) {
  const auto layer = layer_of(name, parts.scale);
  return !layer.empty() && tensors.count(layer + "." + parts.noun) != 0;
}

// The stored form of `name` if it is the tensor that stands for its group; none for a plane's or a scale's
// companions.
std::optional<std::pair<std::string, StoredTensor>> import_tensor(const std::string& name,
                                                                  const TensorMap& tensors,
                                                                  const BitsMap& bits) {
  for (const auto* parts : {&kWeightParts, &kBiasParts}) {
    if (const auto layer = layer_of(name, parts->positive); !layer.empty()) {
      return {{layer + "." + parts->noun, planes_from(tensors, layer, *parts)}};
    }
    if (is_companion(name, *parts, tensors)) {
      return std::nullopt;
    }
    if (is_frozen_scale(name, *parts, tensors)) {
      return {{name, scale_entry(scale_of(tensors, name))}};
    }
    const auto layer = layer_of(name, "." + parts->noun);
    if (!layer.empty() && tensors.count(layer + parts->scale) != 0) {
      return {{name, frozen_from(tensors, bits, layer, *parts)}};
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

// The numbers of a tensor's format and its counted bits, as the JSON of an export has them.
nlohmann::json format_json(const StoredTensor& stored) {
  const auto& format = stored.format;
  return {format.bits, format.levels, format.low, format.step, static_cast<int64_t>(format.has_sign_bit),
          stored.bits};
}

void take_format(const std::vector<int64_t>& numbers, StoredTensor& stored) {
  constexpr size_t kNumbers = 6;
  if (numbers.size() != kNumbers) {
    throw std::invalid_argument("a format of " + std::to_string(numbers.size()) + " numbers, expected 6");
  }
  stored.format = {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4] != 0};
  stored.bits = numbers[5];
  check_format(stored.format);
}

// What a network computes with that loads these codes.
torch::Tensor values_of(const StoredTensor& codes) {
  torch::NoGradGuard no_grad;
  return make_weight_source(codes, torch::dtype(codes.scale.scalar_type()))->value().detach().clone();
}

// Among an export's scales, that of a tensor's offset.
std::string offset_name(const std::string& tensor) { return tensor + " offset"; }

// The integers whose values an export holds: exactly those, or the file has been changed.
// `offset` may be undefined.
StoredTensor codes_from(const std::string& name, const torch::Tensor& values, const torch::Tensor& scale,
                        const torch::Tensor& offset, const std::vector<int64_t>& format) {
  StoredTensor stored;
  stored.encoding = Encoding::kCodes;
  take_format(format, stored);
  stored.scale = scale.to(torch::kFloat32);
  stored.offset = offset.defined() ? offset.to(torch::kFloat32) : torch::Tensor();
  const bool is_known =
      (!offset.defined() || offset.sizes() == scale.sizes()) && values.scalar_type() == torch::kFloat32 &&
      (scale.dim() == 0 || (scale.dim() == 1 && values.dim() > 0 && scale.size(0) == values.size(0)));
  if (is_known) {
    const auto factors = along_channels(stored.scale, values).to(torch::kFloat64);
    const auto start = offset.defined() ? along_channels(stored.offset, values).to(torch::kFloat64)
                                        : torch::zeros({}, torch::kFloat64);
    const auto ratios =
        values.to(torch::kFloat64).sub(start) * static_cast<double>(stored.format.levels) / factors;
    stored.value = torch::where(factors == 0, torch::zeros_like(ratios), ratios).round().to(torch::kInt32);
  }
  if (!is_known || !torch::equal(values_of(stored), values)) {
    throw Error(name +
                ": not the values of the bits that the file's entry 'bsq' names; remove that entry to "
                "read them as floating point");
  }
  return stored;
}

nlohmann::json data_json(const DataRecord& data) {
  nlohmann::json json = {{"class_names", data.class_names},
                         {"images", {data.train, data.validation, data.test}}};
  if (const auto& normalization = data.normalization) {
    json["mean"] = normalization->mean;
    json["std"] = normalization->std;
  }
  if (data.image_size > 0) {
    json["image_size"] = data.image_size;
    json["resize"] = data.resize;
  }
  return json;
}

DataRecord data_from(const nlohmann::json& json) {
  DataRecord data;
  data.class_names = json.at("class_names").get<std::vector<std::string>>();
  data.train = json.at("images").at(0);
  data.validation = json.at("images").at(1);
  data.test = json.at("images").at(2);
  if (json.contains("mean")) {
    data.normalization = Normalization{json.at("mean"), json.at("std")};
  }
  data.image_size = json.value("image_size", data.image_size);
  data.resize = json.value("resize", data.resize);
  return data;
}

// Makes what a state dict does not say of the rest: bits, ranges, the network's description.
void take_extras(const PyTorchExtras& extras, Checkpoint& checkpoint) {
  const auto json = nlohmann::json::parse(extras.description, nullptr, /*allow_exceptions=*/false);
  try {
    auto& description = checkpoint.description;
    description.architecture = json.at("architecture");
    description.options = json.at("options");
    description.classes = json.at("classes");
    description.activation = json.at("activation");
    description.activation_bits = json.at("activation_bits");
    description.activation_range = activation_range_of(json.at("activation_range"));
    if (json.contains("activation_place")) {
      description.activation_place = activation_place_of(json.at("activation_place"));
      description.activation_rules = json.at("activation_rules");
      description.norm = json.at("norm");
    }
    description.image_height = json.value("image_height", description.image_height);
    description.image_width = json.value("image_width", description.image_width);
    checkpoint.method = json.at("method");
    checkpoint.dataset = json.at("dataset");
    checkpoint.data = data_from(json.at("data"));
    const TensorMap scales(extras.scales.begin(), extras.scales.end());
    for (auto& [name, stored] : checkpoint.network) {
      if (const auto scale = scales.find(name); scale != scales.end()) {
        const auto offset = scales.find(offset_name(name));
        stored = codes_from(name, stored.value, scale->second,
                            offset == scales.end() ? torch::Tensor() : offset->second,
                            json.at("formats").at(name));
      }
    }
  } catch (const nlohmann::json::exception&) {
    throw Error("the entry 'bsq' is not as our exports have it; remove it to read the weights alone");
  } catch (const std::invalid_argument& error) {
    throw Error(std::string("the entry 'bsq': ") + error.what());
  }
  for (const auto& [name, tensor] : extras.state) {
    StoredTensor stored;
    stored.value = tensor;
    checkpoint.network.emplace_back(name, stored);
  }
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
  if (file.extras) {
    take_extras(*file.extras, checkpoint);
  } else {
    checkpoint.method = method_of(checkpoint.network);
  }
  checkpoint.epoch = file.epoch.value_or(-1);
  checkpoint.top1 = file.accuracy.value_or(std::nan(""));
  return checkpoint;
}

PyTorchCheckpoint export_pytorch(const Checkpoint& checkpoint, const std::set<std::string>& own_names) {
  PyTorchCheckpoint file;
  PyTorchExtras extras;
  auto formats = nlohmann::json::object();
  for (const auto& [name, stored] : checkpoint.network) {
    if (own_names.count(name) != 0) {
      extras.state.emplace_back(name, stored.value);
    } else if (stored.encoding == Encoding::kFloat) {
      file.state.emplace_back(name, stored.value);
    } else if (stored.encoding == Encoding::kCodes) {
      file.state.emplace_back(name, values_of(stored));
      extras.scales.emplace_back(name, stored.scale);
      if (stored.offset.defined()) {
        extras.scales.emplace_back(offset_name(name), stored.offset);
      }
      formats[name] = format_json(stored);
    } else {
      throw std::invalid_argument(name + ": planes or master weights, expected codes");
    }
  }
  for (const auto& [layer, bits] : scheme_of(checkpoint.network)) {
    file.bits[layer] = {bits.weight, bits.bias};
  }
  file.has_bits = !file.bits.empty();
  if (checkpoint.epoch >= 0) {
    file.epoch = checkpoint.epoch;
  }
  if (std::isfinite(checkpoint.top1)) {
    file.accuracy = checkpoint.top1;
  }
  const auto& description = checkpoint.description;
  const nlohmann::json json = {{"version", 1},
                               {"method", checkpoint.method},
                               {"dataset", checkpoint.dataset},
                               {"data", data_json(checkpoint.data)},
                               {"architecture", description.architecture},
                               {"options", description.options},
                               {"classes", description.classes},
                               {"activation", description.activation},
                               {"activation_bits", description.activation_bits},
                               {"activation_range", to_string(description.activation_range)},
                               {"activation_place", to_string(description.activation_place)},
                               {"activation_rules", description.activation_rules},
                               {"norm", description.norm},
                               {"image_height", description.image_height},
                               {"image_width", description.image_width},
                               {"formats", formats}};
  extras.description = json.dump();
  file.extras = std::move(extras);
  return file;
}

}  // namespace bsq
