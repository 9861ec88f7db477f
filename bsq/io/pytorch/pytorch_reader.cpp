#include "bsq/io/pytorch/pytorch_reader.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <unordered_set>

#include "bsq/base/error.h"
#include "bsq/io/pytorch/pytorch_archive.h"
#include "bsq/io/pytorch/tar_file.h"

namespace bsq {
namespace {

using pickle::Document;
using pickle::Kind;
using pickle::printable;
using pickle::Value;

constexpr size_t kLongestKey = 256;
// Of a file that is none of PyTorch's.
constexpr size_t kShownStart = 15;
constexpr int64_t kMostBits = 64;
// Views may repeat a storage's elements (tied or expanded weights), but not without end.
constexpr int64_t kMostRepeats = 16;
constexpr int64_t kRepeatsAllowance = int64_t{1} << 20;

/// Where training scripts put the state dict; the first that is there counts.
constexpr const char* kStateNames[] = {"state_dict", "model_state_dict", "model",
                                       "net",        "state_dict_ema",   "model_ema"};
/// Where they put the accuracy.
constexpr const char* kAccuracyNames[] = {"acc", "best_acc", "best_acc1", "best_prec1"};
/// What PyTorch's wrappers put before every name: DataParallel and averaged models, torch.compile.
constexpr std::string_view kWrappers[] = {"module.", "_orig_mod."};
/// The count of averaged models, which stands beside the wrapped names.
constexpr std::string_view kAveraged = "n_averaged";
/// What modules may keep in a state dict beside tensors.
constexpr std::string_view kExtraState = "_extra_state";

bool starts_with(const std::string& text, std::string_view start) {
  return text.compare(0, start.size(), start) == 0;
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// Takes the prefix off every name that `name_of` gives, where all have it. Returns whether they do.
template <typename Entries, typename NameOf>
bool drop_prefix(Entries& entries, std::string_view prefix, const NameOf& name_of) {
  const auto has_prefix = [&](auto& entry) {
    return starts_with(name_of(entry), prefix) && name_of(entry).size() > prefix.size();
  };
  if (entries.empty() || !std::all_of(entries.begin(), entries.end(), has_prefix)) {
    return false;
  }
  for (auto& entry : entries) {
    name_of(entry).erase(0, prefix.size());
  }
  return true;
}

/// The same for every wrapper, one around the other.
template <typename Entries, typename NameOf>
void drop_wrappers(Entries& entries, const NameOf& name_of) {
  while (std::any_of(std::begin(kWrappers), std::end(kWrappers),
                     [&](std::string_view prefix) { return drop_prefix(entries, prefix, name_of); })) {
  }
}

/// Whether a top-level entry tells about the training, so that it is no weight even where it is a tensor.
bool is_record(const std::string& name) {
  return name == "epoch" ||
         std::find(std::begin(kAccuracyNames), std::end(kAccuracyNames), name) != std::end(kAccuracyNames);
}

/// Turns a parsed file into a checkpoint.
class CheckpointReader {
 public:
  CheckpointReader(PyTorchArchive& archive, int64_t file_bytes)
      : archive_(archive), document_(archive.document()), file_bytes_(file_bytes) {}
  PyTorchCheckpoint read();

 private:
  const Value& find_state(const Value& top) const;
  PyTorchTensors read_state(const Value& dict);
  std::optional<PyTorchExtras> read_extras(const Value* extras);
  void read_bits(const Value& dict, PyTorchCheckpoint& checkpoint) const;
  int64_t read_width(const std::string& layer, const Value& value) const;
  std::optional<double> read_number(const Value* value);
  torch::Tensor materialize(const Value& value);
  const torch::Tensor& storage(size_t place);
  std::string read_key(const Value& key) const;

  PyTorchArchive& archive_;
  const Document& document_;
  std::map<size_t, torch::Tensor> storages_;
  int64_t file_bytes_;
  int64_t bytes_read_ = 0;
  int64_t bytes_made_ = 0;
};

PyTorchCheckpoint CheckpointReader::read() {
  const Value& top = document_.at(document_.root);
  if (top.kind == Kind::kOpaque) {
    document_.fail("holds " + describe(top) +
                   ", perhaps a whole model; expected a file of model.state_dict()");
  }
  if (top.kind != Kind::kDict) {
    document_.fail("holds " + describe(top) + ", expected a dict of tensors or a checkpoint");
  }
  PyTorchCheckpoint checkpoint;
  checkpoint.state = read_state(find_state(top));
  if (checkpoint.state.empty()) {
    std::string names;
    for (const char* name : kStateNames) {
      names += std::string(names.empty() ? "'" : ", '") + name + "'";
    }
    document_.fail("holds no tensors, expected a state dict at the top level or under one of " + names);
  }
  if (const Value* bits = document_.find(top, "Nbit_dict")) {
    read_bits(*bits, checkpoint);
  }
  if (const auto epoch = read_number(document_.find(top, "epoch"))) {
    constexpr double kMostEpochs = 9e15;
    if (std::abs(*epoch) <= kMostEpochs && *epoch == std::floor(*epoch)) {
      checkpoint.epoch = static_cast<int64_t>(*epoch);
    }
  }
  for (const char* name : kAccuracyNames) {
    if (!checkpoint.accuracy) {
      checkpoint.accuracy = read_number(document_.find(top, name));
    }
  }
  checkpoint.extras = read_extras(document_.find(top, "bsq"));
  unwrap_names(checkpoint);
  return checkpoint;
}

const Value& CheckpointReader::find_state(const Value& top) const {
  for (const char* name : kStateNames) {
    const Value* state = document_.find(top, name);
    if (state != nullptr && state->kind == Kind::kDict) {
      return *state;
    }
  }
  return top;
}

// Whatever else somebody calls 'bsq' is none of ours.
std::optional<PyTorchExtras> CheckpointReader::read_extras(const Value* extras) {
  if (extras == nullptr || extras->kind != Kind::kDict) {
    return std::nullopt;
  }
  const Value* description = document_.find(*extras, "description");
  const Value* scales = document_.find(*extras, "scales");
  const Value* state = document_.find(*extras, "state");
  const auto is = [](const Value* value, Kind kind) { return value != nullptr && value->kind == kind; };
  if (!is(description, Kind::kString) || !is(scales, Kind::kDict) || !is(state, Kind::kDict)) {
    return std::nullopt;
  }
  return PyTorchExtras{description->text, read_state(*scales), read_state(*state)};
}

PyTorchTensors CheckpointReader::read_state(const Value& dict) {
  PyTorchTensors tensors;
  const bool top_level = &dict == &document_.at(document_.root);
  std::unordered_set<std::string> seen;
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    const Value& name = document_.at(dict.items[i]);
    const Value& value = document_.at(dict.items[i + 1]);
    const bool is_foreign = value.kind == Kind::kOpaque || value.kind == Kind::kNumpyArray;
    if (is_foreign && !top_level && !ends_with(name.text, kExtraState)) {
      document_.fail("'" + printable(name.text) + "' is " + describe(value) + ", expected a tensor");
    }
    if (value.kind != Kind::kTensor || (top_level && is_record(name.text))) {
      continue;
    }
    const std::string key = read_key(name);
    if (!seen.insert(key).second) {
      document_.fail("holds two tensors '" + key + "', expected one");
    }
    tensors.emplace_back(key, materialize(value));
  }
  return tensors;
}

void CheckpointReader::read_bits(const Value& dict, PyTorchCheckpoint& checkpoint) const {
  if (dict.kind != Kind::kDict) {
    document_.fail(std::string("Nbit_dict is ") + describe(dict.kind) + ", expected a dict");
  }
  checkpoint.has_bits = true;
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    const std::string layer = read_key(document_.at(dict.items[i]));
    const Value& widths = document_.at(dict.items[i + 1]);
    if ((widths.kind != Kind::kList && widths.kind != Kind::kTuple) || widths.items.size() != 2) {
      document_.fail("Nbit_dict['" + layer + "'] is " + describe(widths.kind) + " of " +
                     std::to_string(widths.items.size()) + " items, expected [bits, bits of the bias]");
    }
    const int64_t bits = read_width(layer, document_.at(widths.items[0]));
    const Value& bias = document_.at(widths.items[1]);
    const int64_t bias_bits = bias.kind == Kind::kNone ? 0 : read_width(layer, bias);
    if (!checkpoint.bits.emplace(layer, std::make_pair(bits, bias_bits)).second) {
      document_.fail("Nbit_dict holds '" + layer + "' twice");
    }
  }
}

int64_t CheckpointReader::read_width(const std::string& layer, const Value& value) const {
  if (value.kind != Kind::kInteger || value.integer < 0 || value.integer > kMostBits) {
    document_.fail("Nbit_dict['" + layer + "'] holds " + describe(value.kind) + " " +
                   std::to_string(value.integer) + ", expected a number of bits from 0 to " +
                   std::to_string(kMostBits));
  }
  return value.integer;
}

std::optional<double> CheckpointReader::read_number(const Value* value) {
  if (value == nullptr) {
    return std::nullopt;
  }
  switch (value->kind) {
    case Kind::kInteger:
      return static_cast<double>(value->integer);
    case Kind::kFloat:
      return value->real;
    case Kind::kTensor: {
      const std::vector<int64_t>& sizes = document_.tensors[value->integer].sizes;
      const bool single = std::all_of(sizes.begin(), sizes.end(), [](int64_t size) { return size == 1; });
      return single ? std::optional<double>(materialize(*value).to(torch::kFloat64).item<double>())
                    : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

torch::Tensor CheckpointReader::materialize(const Value& value) {
  const pickle::TensorRecord& record = document_.tensors[value.integer];
  const torch::Tensor& elements = storage(record.storage);
  const torch::Tensor view = elements.as_strided(record.sizes, record.strides, record.offset);
  bytes_made_ += view.numel() * static_cast<int64_t>(elements.element_size());
  if (bytes_made_ - bytes_read_ > kMostRepeats * file_bytes_ + kRepeatsAllowance) {
    document_.fail("its tensors repeat stored numbers for more than " + std::to_string(kMostRepeats) +
                   " times the file's size");
  }
  return view.clone(torch::MemoryFormat::Contiguous);
}

const torch::Tensor& CheckpointReader::storage(size_t place) {
  const auto found = storages_.find(place);
  if (found != storages_.end()) {
    return found->second;
  }
  const torch::Tensor elements = archive_.read(document_.storages[place]);
  bytes_read_ += elements.numel() * static_cast<int64_t>(elements.element_size());
  return storages_.emplace(place, elements).first->second;
}

std::string CheckpointReader::read_key(const Value& key) const {
  const std::string name = key.kind == Kind::kString ? key.text : "";
  if (!is_state_key(name)) {
    document_.fail("holds an entry named by " + std::string(describe(key.kind)) + " '" + printable(key.text) +
                   "', expected a name of 1 to " + std::to_string(kLongestKey) + " printable bytes");
  }
  return name;
}

std::string read_start(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    return "";
  }
  std::ifstream in(path, std::ios::binary);
  std::string start(kTarStart, '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(in.gcount());
  return start;
}

bool is_zip(const std::string& start) { return start.compare(0, kZipMagic.size(), kZipMagic) == 0; }

std::unique_ptr<PyTorchArchive> open_archive(const std::string& path) {
  const std::string start = read_start(path);
  if (is_zip(start)) {
    return open_pytorch_zip(path);
  }
  if (legacy_magic_size(start) != 0) {
    return open_pytorch_legacy(path);
  }
  if (is_tar(start)) {
    return open_pytorch_tar(path);
  }
  throw Error(path + ": not a PyTorch file: it starts with '" +
              printable(std::string_view(start).substr(0, kShownStart)) +
              "', expected a zip archive, PyTorch's magic number or a tar archive");
}

PyTorchCheckpoint read_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw Error(path + ": " + (error ? error.message() : "not a file") + ", expected a PyTorch file");
  }
  if (!std::ifstream(path, std::ios::binary)) {
    throw Error(path + ": cannot be opened for reading");
  }
  const auto archive = open_archive(path);
  return CheckpointReader(*archive, static_cast<int64_t>(std::filesystem::file_size(path))).read();
}

}  // namespace

void unwrap_names(PyTorchCheckpoint& checkpoint) {
  auto& state = checkpoint.state;
  const auto count =
      std::find_if(state.begin(), state.end(), [](const auto& entry) { return entry.first == kAveraged; });
  if (count != state.end() && state.size() > 1) {
    state.erase(count);
  }
  drop_wrappers(state, [](auto& entry) -> std::string& { return entry.first; });
  // The published code names the layers of Nbit_dict with the prefix, and the tensors without.
  std::vector<std::pair<std::string, std::pair<int64_t, int64_t>>> bits(checkpoint.bits.begin(),
                                                                        checkpoint.bits.end());
  drop_wrappers(bits, [](auto& entry) -> std::string& { return entry.first; });
  checkpoint.bits = {bits.begin(), bits.end()};
}

bool is_state_key(const std::string& name) {
  return !name.empty() && name.size() <= kLongestKey && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

PyTorchCheckpoint read_pytorch(const std::string& path) {
  try {
    return read_file(path);
  } catch (const c10::Error&) {
    // libtorch's own messages run over many lines.
    throw Error(path + ": libtorch refuses its tensors, or there is not enough memory for them");
  } catch (const std::bad_alloc&) {
    throw Error(path + ": not enough memory for it");
  } catch (const std::filesystem::filesystem_error& error) {
    throw Error(path + ": " + error.code().message());
  }
}

bool is_pytorch_file(const std::string& path) {
  const std::string start = read_start(path);
  return is_zip(start) || legacy_magic_size(start) != 0 || is_tar(start);
}

}  // namespace bsq
