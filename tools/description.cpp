#include "tools/description.h"

#include <cmath>
#include <filesystem>
#include <iomanip>
#include <sstream>

#include "bsq/io/model_file.h"
#include "bsq/quant/accounting.h"

namespace bsq::cli {
namespace {

const char* name_of(CheckpointKind kind) {
  switch (kind) {
    case CheckpointKind::kFloat:
      return "float";
    case CheckpointKind::kBits:
      return "bits";
    default:
      return "frozen";
  }
}

const char* name_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::kFloat:
      return "float";
    case Encoding::kBinary:
      return "binary";
    case Encoding::kPlanes:
      return "planes";
    default:
      return "frozen";
  }
}

TensorLine line_of(const std::string& name, const StoredTensor& stored) {
  const auto shape = stored.encoding == Encoding::kPlanes ? stored.positive.sizes().slice(1).vec()
                                                          : stored.value.sizes().vec();
  return {name, shape, name_of(stored.encoding), stored.bits, stored.scale.item<double>()};
}

int64_t weights_of(const TensorLine& line) { return c10::multiply_integers(line.shape); }

void take_tensors(FileDescription& description, const NetworkState& network) {
  std::vector<BitCount> counts;
  for (const auto& [name, stored] : network) {
    if (stored.encoding == Encoding::kFloat) {
      description.float_elements += stored.value.is_floating_point() ? stored.value.numel() : 0;
      continue;
    }
    description.bit_tensors.push_back(line_of(name, stored));
    counts.push_back({weights_of(description.bit_tensors.back()), stored.bits});
  }
  if (!counts.empty()) {
    const auto sizes = count_sizes(counts, description.float_elements);
    description.comp = sizes.comp();
    description.comp_stored = sizes.comp_stored();
  }
}

std::string number(double value, int digits = 2) {
  if (std::isnan(value)) {
    return "unknown";
  }
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << value;
  return text.str();
}

nlohmann::json json_number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  for (size_t i = 0; i < shape.size(); ++i) {
    text << (i == 0 ? "" : "x") << shape[i];
  }
  return text.str();
}

void append_tensors(std::ostringstream& text, const FileDescription& description) {
  text << std::left << std::setw(28) << "tensor" << std::setw(14) << "shape" << std::right << std::setw(9)
       << "weights" << std::setw(6) << "bits"
       << "  encoding\n";
  for (const auto& line : description.bit_tensors) {
    text << std::left << std::setw(28) << line.name << std::setw(14) << shape_text(line.shape) << std::right
         << std::setw(9) << weights_of(line) << std::setw(6) << line.bits << "  " << line.encoding << "\n";
  }
}

}  // namespace

FileDescription describe_file(const std::string& path) {
  const auto file = read_model(path);
  const auto& checkpoint = file.checkpoint;
  const auto& network = checkpoint.description;
  FileDescription description;
  description.path = path;
  description.bytes = std::filesystem::file_size(path);
  description.kind = name_of(checkpoint.kind);
  description.has_description = file.has_description;
  description.architecture = network.architecture;
  description.options = network.options;
  description.activation_range = to_string(network.activation_range);
  description.dataset = checkpoint.dataset;
  description.classes = network.classes;
  description.activation_bits = network.activation_bits;
  description.epoch = checkpoint.epoch;
  description.top1 = checkpoint.top1;
  description.comp = checkpoint.comp;
  description.comp_stored = checkpoint.comp_stored;
  description.is_resumable = checkpoint.training.has_value();
  description.next_epoch = checkpoint.training ? checkpoint.training->next_epoch : -1;
  description.configuration = checkpoint.configuration;
  take_tensors(description, checkpoint.network);
  return description;
}

std::string text_of(const FileDescription& description) {
  std::ostringstream text;
  text << description.path << ": " << description.bytes << " bytes\n";
  text << "kind: " << description.kind << "\n";
  if (description.has_description) {
    text << "network: " << description.architecture;
    for (const auto& [name, value] : description.options) {
      text << ", " << name << " " << value;
    }
    text << ", " << description.classes << " classes, activations of " << description.activation_bits
         << " bits, range " << description.activation_range << "\n";
  } else {
    text << "network: not said in a PyTorch file\n";
  }
  text << "data set: " << (description.dataset.empty() ? "unknown" : description.dataset) << "\n";
  text << "last epoch: " << (description.epoch < 0 ? "none" : std::to_string(description.epoch)) << "\n";
  text << "top-1: " << number(description.top1) << "\n";
  text << "comp: " << number(description.comp) << ", comp_stored: " << number(description.comp_stored)
       << "\n";
  text << "float elements: " << description.float_elements << "\n";
  if (description.is_resumable) {
    text << "resumable: at epoch " << description.next_epoch << "\n";
  }
  if (!description.bit_tensors.empty()) {
    append_tensors(text, description);
  }
  return text.str();
}

std::string brief_of(const FileDescription& description) {
  std::ostringstream text;
  text << std::left << std::setw(7) << description.kind << std::right << "top-1 " << std::setw(6)
       << number(description.top1) << "  comp " << std::setw(6) << number(description.comp)
       << "  comp_stored " << std::setw(6) << number(description.comp_stored) << "  " << std::setw(9)
       << description.bytes << " bytes  " << description.path;
  return text.str();
}

nlohmann::json json_of(const FileDescription& description) {
  nlohmann::json json = {{"path", description.path},
                         {"bytes", description.bytes},
                         {"kind", description.kind},
                         {"dataset", description.dataset},
                         {"epoch", description.epoch},
                         {"top1", json_number(description.top1)},
                         {"comp", json_number(description.comp)},
                         {"comp_stored", json_number(description.comp_stored)},
                         {"float_elements", description.float_elements},
                         {"resumable", description.is_resumable},
                         {"configuration", description.configuration},
                         {"tensors", nlohmann::json::array()}};
  if (description.has_description) {
    json["network"] = {{"architecture", description.architecture},
                       {"options", description.options},
                       {"classes", description.classes},
                       {"activation_bits", description.activation_bits},
                       {"activation_range", description.activation_range}};
  }
  for (const auto& line : description.bit_tensors) {
    json["tensors"].push_back({{"name", line.name},
                               {"shape", line.shape},
                               {"encoding", line.encoding},
                               {"bits", line.bits},
                               {"scale", json_number(line.scale)}});
  }
  return json;
}

}  // namespace bsq::cli
