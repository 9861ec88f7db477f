#include "tools/description.h"

#include <cmath>
#include <filesystem>
#include <iomanip>
#include <sstream>

#include "bsq/base/error.h"
#include "bsq/base/type_name.h"
#include "bsq/infer/kernels.h"
#include "bsq/io/model_file.h"
#include "bsq/io/pytorch_model.h"
#include "bsq/nn/network_sizes.h"
#include "bsq/nn/network_state.h"
#include "bsq/nn/weight_source.h"
#include "tools/cli/model_cost.h"

namespace bsq::cli {
namespace {

const char* name_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::kFloat:
      return "float";
    case Encoding::kCodes:
      return "codes";
    case Encoding::kPlanes:
      return "planes";
    case Encoding::kLatent:
      return "latent";
  }
  return "";
}

std::vector<double> numbers_of(const torch::Tensor& tensor) {
  if (!tensor.defined()) {
    return {};
  }
  const auto numbers = tensor.flatten().to(torch::kFloat64).contiguous();
  return {numbers.data_ptr<double>(), numbers.data_ptr<double>() + numbers.numel()};
}

std::string rule_of(const std::string& name, const StateMap& state) {
  const auto source = latent_source(name, state);
  return source == nullptr ? "" : source->text();
}

void take_tensors(FileDescription& description, const NetworkState& network) {
  description.sizes = sizes_of(network);
  const auto tensors = tensor_bits(network);
  const auto by_name = state_map(network);
  size_t next = 0;
  for (const auto& [name, stored] : network) {
    if (stored.encoding != Encoding::kFloat) {
      description.tensors.push_back({tensors[next++], name_of(stored.encoding), numbers_of(stored.scale),
                                     numbers_of(stored.offset), rule_of(name, by_name)});
    } else {
      description.floats.push_back({name, stored.value.sizes().vec(), type_name(stored.value.scalar_type())});
    }
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

nlohmann::json json_count(const std::optional<int64_t>& count) {
  return count ? nlohmann::json(*count) : nlohmann::json();
}

// One number for a tensor, or a list for its channels.
nlohmann::json json_scale(const std::vector<double>& scale) {
  auto list = nlohmann::json::array();
  for (const double value : scale) {
    list.push_back(json_number(value));
  }
  return list.size() == 1 ? list[0] : list;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  for (size_t i = 0; i < shape.size(); ++i) {
    text << (i == 0 ? "" : "x") << shape[i];
  }
  return text.str();
}

void append_head(std::ostringstream& text) {
  text << std::left << std::setw(28) << "tensor" << std::setw(14) << "shape" << std::right << std::setw(9)
       << "weights" << std::setw(6) << "bits";
}

void append_tensor(std::ostringstream& text, const TensorBits& tensor) {
  text << std::left << std::setw(28) << tensor.name << std::setw(14) << shape_text(tensor.shape) << std::right
       << std::setw(9) << tensor.weights << std::setw(6) << tensor.bits;
}

void append_floats(std::ostringstream& text, const std::vector<FloatLine>& floats) {
  text << std::left << std::setw(28) << "float tensor" << std::setw(14) << "shape"
       << "type\n";
  for (const auto& line : floats) {
    text << std::left << std::setw(28) << line.name << std::setw(14) << shape_text(line.shape) << line.type
         << "\n";
  }
}

std::string sizes_text(const Sizes& sizes) {
  return "comp: " + number(sizes.comp()) + ", comp_stored: " + number(sizes.comp_stored()) +
         "\nfloat elements: " + std::to_string(sizes.float_elements) + "\n";
}

// "" where the model was not evaluated.
std::string result_text(const char* name, const ModelResult& result) {
  if (!std::isfinite(result.top1)) {
    return "";
  }
  auto text = std::string(name) + ": top-1 " + number(result.top1) + ", loss " + number(result.loss, 4);
  text += result.epoch < 0 ? "" : ", epoch " + std::to_string(result.epoch);
  return text + (result.file.empty() ? "" : ", " + result.file) + "\n";
}

std::string count_text(const char* name, const std::optional<int64_t>& count) {
  return count ? std::string(name) + ": " + std::to_string(*count) + "\n" : "";
}

// "" where it was not measured.
std::string latency_text(const std::optional<infer::Latency>& latency) {
  return latency ? "latency: " + number(latency->milliseconds, 3) + " ms (one image, one thread, median of " +
                       std::to_string(latency->runs) + ", " + infer::best_kernels().name + " kernels)\n"
                 : "";
}

std::string brief_latency(const std::optional<infer::Latency>& latency) {
  return latency ? number(latency->milliseconds, 3) + " ms  " : "";
}

void add_latency(nlohmann::json& json, const std::optional<infer::Latency>& latency) {
  if (latency) {
    json["latency_ms"] = latency->milliseconds;
  }
}

// What is not as in every network: ", kind pact, in front of layers (input), layer1.*=4, norm range".
std::string activations_text(const NetworkDescription& network) {
  const NetworkDescription usual;
  std::string text;
  if (network.activation != usual.activation) {
    text += ", kind " + network.activation;
  }
  if (network.activation_place != usual.activation_place) {
    text += std::string(", place ") + to_string(network.activation_place);
  }
  for (const auto& [pattern, bits] : network.activation_rules) {
    text += ", " + pattern + "=" + std::to_string(bits);
  }
  if (network.image_height != usual.image_height || network.image_width != usual.image_width) {
    text +=
        ", images of " + std::to_string(network.image_height) + " x " + std::to_string(network.image_width);
  }
  return text + (network.norm != usual.norm ? ", norm " + network.norm : "");
}

}  // namespace

FileDescription describe_file(const std::string& path) {
  std::string fault;
  const auto file = read_model_or_tensors(path, fault);
  const auto& checkpoint = file.checkpoint;
  const auto& network = checkpoint.description;
  FileDescription description;
  description.path = path;
  description.fault = fault;
  description.bytes = std::filesystem::file_size(path);
  description.method = checkpoint.method;
  description.has_description = file.has_description;
  description.architecture = network.architecture;
  description.options = network.options;
  description.activation_range = to_string(network.activation_range);
  description.activations = activations_text(network);
  description.dataset = checkpoint.dataset;
  description.classes = network.classes;
  description.activation_bits = network.activation_bits;
  description.epoch = checkpoint.epoch;
  description.top1 = checkpoint.top1;
  description.is_resumable = checkpoint.training.has_value();
  description.next_epoch = checkpoint.training ? checkpoint.training->next_epoch : -1;
  description.configuration = checkpoint.configuration;
  take_tensors(description, checkpoint.network);
  if (description.has_description) {
    const auto cost = model_cost(network, tensor_bits(checkpoint.network));
    description.macs = cost ? std::optional(cost->macs()) : std::nullopt;
    description.bit_operations = cost ? std::optional(cost->bit_operations()) : std::nullopt;
  }
  return description;
}

std::string text_of(const FileDescription& description) {
  std::ostringstream text;
  text << description.path << ": " << description.bytes << " bytes\n";
  if (!description.fault.empty()) {
    text << "no network: " << description.fault << "\n";
  }
  text << "method: " << description.method << "\n";
  if (description.has_description) {
    text << "network: " << description.architecture;
    for (const auto& [name, value] : description.options) {
      text << ", " << name << " " << value;
    }
    text << ", " << description.classes << " classes, activations of " << description.activation_bits
         << " bits, range " << description.activation_range << description.activations << "\n";
  } else {
    text << "network: not said in a PyTorch file\n";
  }
  text << "data set: " << (description.dataset.empty() ? "unknown" : description.dataset) << "\n";
  text << "last epoch: " << (description.epoch < 0 ? "none" : std::to_string(description.epoch)) << "\n";
  text << "top-1: " << number(description.top1) << "\n";
  text << sizes_text(description.sizes) << count_text("MACs", description.macs)
       << count_text("bit operations", description.bit_operations) << latency_text(description.latency);
  if (description.is_resumable) {
    text << "resumable: at epoch " << description.next_epoch << "\n";
  }
  if (!description.tensors.empty()) {
    append_head(text);
    text << "  encoding\n";
  }
  for (const auto& line : description.tensors) {
    append_tensor(text, line.tensor);
    text << "  " << line.encoding << (line.rule.empty() ? "" : "  " + line.rule) << "\n";
  }
  // Of our own files in bits the table above tells what counts; --json has the rest.
  if (!description.floats.empty() && (description.tensors.empty() || !description.has_description)) {
    append_floats(text, description.floats);
  }
  return text.str();
}

std::string brief_of(const FileDescription& description) {
  std::ostringstream text;
  text << std::left << std::setw(7) << description.method << std::right << "top-1 " << std::setw(6)
       << number(description.top1) << "  comp " << std::setw(6) << number(description.sizes.comp())
       << "  comp_stored " << std::setw(6) << number(description.sizes.comp_stored()) << "  " << std::setw(9)
       << description.bytes << " bytes  " << brief_latency(description.latency) << description.path;
  return text.str();
}

nlohmann::json json_of(const FileDescription& description) {
  nlohmann::json json = {{"path", description.path},
                         {"bytes", description.bytes},
                         {"method", description.method},
                         {"dataset", description.dataset},
                         {"epoch", description.epoch},
                         {"top1", json_number(description.top1)},
                         {"comp", json_number(description.sizes.comp())},
                         {"comp_stored", json_number(description.sizes.comp_stored())},
                         {"float_elements", description.sizes.float_elements},
                         {"macs", json_count(description.macs)},
                         {"bit_operations", json_count(description.bit_operations)},
                         {"resumable", description.is_resumable},
                         {"configuration", description.configuration},
                         {"tensors", nlohmann::json::array()},
                         {"float_tensors", nlohmann::json::array()}};
  add_latency(json, description.latency);
  if (!description.fault.empty()) {
    json["fault"] = description.fault;
  }
  if (description.has_description) {
    json["network"] = {{"architecture", description.architecture},
                       {"options", description.options},
                       {"classes", description.classes},
                       {"activation_bits", description.activation_bits},
                       {"activation_range", description.activation_range}};
  }
  for (const auto& line : description.tensors) {
    json["tensors"].push_back({{"name", line.tensor.name},
                               {"shape", line.tensor.shape},
                               {"encoding", line.encoding},
                               {"bits", line.tensor.bits},
                               {"scale", json_scale(line.scale)},
                               {"rule", line.rule}});
    if (!line.offset.empty()) {
      json["tensors"].back()["offset"] = json_scale(line.offset);
    }
  }
  for (const auto& line : description.floats) {
    json["float_tensors"].push_back({{"name", line.name}, {"shape", line.shape}, {"type", line.type}});
  }
  return json;
}

const char* name_of(RunStatus status) {
  return status == RunStatus::kDone ? "done" : status == RunStatus::kRunning ? "running" : "stopped";
}

std::string text_of(const std::string& folder, const RunSummary& run,
                    const std::optional<infer::Latency>& latency) {
  std::ostringstream text;
  text << folder << ": a run of " << run.program << ", " << name_of(run.status) << "\n";
  text << "method: " << run.method << "\n";
  text << "network: " << (run.architecture.empty() ? "unknown" : run.architecture) << ", activations of "
       << run.activation_bits << " bits\n";
  text << "data set: " << (run.dataset.empty() ? "unknown" : run.dataset) << "\n";
  text << "epochs: " << run.epochs_done << " of " << run.epochs << ", " << number(run.seconds, 1)
       << " s of training\n";
  text << result_text("start", run.start) << result_text("best", run.best) << result_text("final", run.final)
       << result_text("to use", run.kept) << sizes_text(run.sizes()) << count_text("MACs", run.macs)
       << count_text("bit operations", run.bit_operations) << latency_text(latency);
  if (!run.tensors.empty()) {
    append_head(text);
    text << "\n";
  }
  for (const auto& tensor : run.tensors) {
    append_tensor(text, tensor);
    text << "\n";
  }
  return text.str();
}

std::string brief_of(const std::string& folder, const RunSummary& run,
                     const std::optional<infer::Latency>& latency) {
  const auto sizes = run.sizes();
  std::ostringstream text;
  text << std::left << std::setw(7) << run.method << std::right << "top-1 " << std::setw(6)
       << number(run.kept.top1) << "  comp " << std::setw(6) << number(sizes.comp()) << "  comp_stored "
       << std::setw(6) << number(sizes.comp_stored()) << "  " << name_of(run.status) << "  "
       << brief_latency(latency) << folder;
  return text.str();
}

nlohmann::json json_of(const RunSummary& run, const std::optional<infer::Latency>& latency) {
  auto json = nlohmann::json::parse(summary_text(run));
  add_latency(json, latency);
  return json;
}

}  // namespace bsq::cli
