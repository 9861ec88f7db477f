#include "bsq/io/checkpoint/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <map>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint_json.h"
#include "bsq/io/checkpoint/checkpoint_network.h"
#include "bsq/io/checkpoint/checkpoint_training.h"
#include "bsq/io/checkpoint/rehearsal.h"
#include "bsq/io/hdf5/hdf5_attribute.h"
#include "bsq/io/hdf5/hdf5_file.h"
#include "bsq/io/seal.h"

namespace bsq {
namespace {

constexpr int64_t kVersion = 1;
constexpr const char* kKinds[] = {"float", "bits", "frozen"};  // in the order of CheckpointKind
constexpr const char* kRanges[] = {"running", "batch"};        // in the order of ActivationRange

constexpr IntegerField kVersionField{"version", 1, std::numeric_limits<int64_t>::max()};
constexpr IntegerField kDepth{"depth", 0, 1'000'000};
constexpr IntegerField kClasses{"classes", 1, 1'000'000};
constexpr IntegerField kActivationBits{"activation_bits", 0, 32};
constexpr IntegerField kQuantizeShortcut{"quantize_shortcut", 0, 1};
constexpr IntegerField kEpoch{"epoch", -1, std::numeric_limits<int64_t>::max()};

/// The first tensor whose encoding does not go with the kind, "" if there is none.
std::string stranger(CheckpointKind kind, const NetworkState& network) {
  for (const auto& [name, tensor] : network) {
    const Encoding encoding = tensor.encoding;
    const bool fits = encoding == Encoding::kFloat ||
                      (kind == CheckpointKind::kBits && encoding != Encoding::kFrozen) ||
                      (kind == CheckpointKind::kFrozen && encoding != Encoding::kPlanes);
    if (!fits) return name;
  }
  return "";
}

using NetworkOptions = std::map<std::string, std::string>;

// Version 1 knows three options of networks, those of its ResNet, and holds them for every architecture.
const NetworkOptions& version_1_options() {
  static const NetworkOptions defaults = {
      {"depth", "20"}, {"block-name", "BasicBlock"}, {"quantize-shortcut", "false"}};
  return defaults;
}

int64_t depth_of(const std::string& text) {
  int64_t depth = 0;
  const auto* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, depth);
  if (result.ec != std::errc() || result.ptr != end) {
    throw std::invalid_argument("depth '" + text + "'; expected a whole number");
  }
  return depth;
}

NetworkOptions options_to_store(const NetworkDescription& description) {
  auto options = version_1_options();
  for (const auto& [name, text] : description.options) {
    if (options.count(name) == 0) {
      throw std::invalid_argument("option " + name + " of " + description.architecture +
                                  "; expected one that file version 1 can hold");
    }
    options[name] = text;
  }
  if (description.activation != NetworkDescription().activation) {
    throw std::invalid_argument("activation '" + description.activation +
                                "'; expected one that file version 1 can hold");
  }
  return options;
}

// What an architecture of another kind never heard of is left out.
NetworkOptions stored_options(const Hdf5Handle& file, const std::string& architecture) {
  NetworkOptions options = {
      {"depth", std::to_string(read_integer(file, kDepth))},
      {"block-name", read_text(file, "block_name")},
      {"quantize-shortcut", read_integer(file, kQuantizeShortcut) != 0 ? "true" : "false"}};
  if (architecture != "resnet") {
    for (const auto& [name, text] : version_1_options()) {
      if (options[name] == text) {
        options.erase(name);
      }
    }
  }
  return options;
}

void write_description(const Hdf5Handle& file, const NetworkDescription& description) {
  const auto options = options_to_store(description);
  write_text(file, "architecture", description.architecture);
  write_integer(file, kDepth, depth_of(options.at("depth")));
  write_text(file, "block_name", options.at("block-name"));
  write_integer(file, kClasses, description.classes);
  write_integer(file, kActivationBits, description.activation_bits);
  write_text(file, "activation_range", kRanges[static_cast<int>(description.activation_range)]);
  write_integer(file, kQuantizeShortcut, options.at("quantize-shortcut") == "true" ? 1 : 0);
}

void write_root(const Hdf5Handle& file, const Checkpoint& checkpoint) {
  write_text(file, "format", "bsq");
  write_integer(file, kVersionField, kVersion);
  write_text(file, "kind", kKinds[static_cast<int>(checkpoint.kind)]);
  write_description(file, checkpoint.description);
  write_text(file, "dataset", checkpoint.dataset);
  write_number(file, "top1", checkpoint.top1);
  write_integer(file, kEpoch, checkpoint.epoch);
  write_number(file, "comp", checkpoint.comp);
  write_number(file, "comp_stored", checkpoint.comp_stored);
  write_text(file, "scheme", scheme_text(checkpoint.network));
  write_text(file, "configuration", checkpoint.configuration);
}

/// The place of an attribute's text among the `names`.
template <size_t kCount>
int read_choice(const Hdf5Handle& file, const char* attribute, const char* const (&names)[kCount]) {
  const std::string found = read_text(file, attribute);
  std::string expected;
  for (size_t i = 0; i < kCount; ++i) {
    if (found == names[i]) return static_cast<int>(i);
    expected += (i == 0 ? "'" : ", '") + std::string(names[i]) + "'";
  }
  file.fail(std::string("the attribute ") + attribute + " is '" + printable(found) + "', expected one of " +
            expected);
}

void check_format(const Hdf5Handle& file) {
  if (!has_attribute(file, "format") || read_text(file, "format") != "bsq") {
    file.fail("no BSQ checkpoint: the attribute format is not 'bsq'");
  }
  const int64_t version = read_integer(file, kVersionField);
  if (version > kVersion) {
    file.fail("the file has version " + std::to_string(version) + ", this program reads version " +
              std::to_string(kVersion) + ": a newer program is needed");
  }
}

NetworkDescription read_description(const Hdf5Handle& file) {
  NetworkDescription description;
  description.architecture = read_text(file, "architecture");
  description.options = stored_options(file, description.architecture);
  description.classes = read_integer(file, kClasses);
  description.activation_bits = read_integer(file, kActivationBits);
  description.activation_range = static_cast<ActivationRange>(read_choice(file, "activation_range", kRanges));
  return description;
}

Checkpoint read_root(const Hdf5Handle& file) {
  Checkpoint checkpoint;
  checkpoint.kind = static_cast<CheckpointKind>(read_choice(file, "kind", kKinds));
  checkpoint.description = read_description(file);
  checkpoint.dataset = read_text(file, "dataset");
  checkpoint.top1 = read_number(file, "top1");
  checkpoint.epoch = read_integer(file, kEpoch);
  checkpoint.comp = read_number(file, "comp");
  checkpoint.comp_stored = read_number(file, "comp_stored");
  checkpoint.configuration = read_text(file, "configuration");
  return checkpoint;
}

Checkpoint read_file(const std::string& path, bool data) {
  const Hdf5Session session;
  const Hdf5Handle file = open_hdf5_file(path);
  check_format(file);
  Checkpoint checkpoint = read_root(file);
  ReadBudget budget(static_cast<int64_t>(std::filesystem::file_size(path)), data);
  checkpoint.network = read_network(file, "network", budget);
  const std::string name = stranger(checkpoint.kind, checkpoint.network);
  if (!name.empty()) file.fail("the encoding of " + name + " does not go with the attribute kind");
  if (!is_scheme_of(read_text(file, "scheme"), checkpoint.network)) {
    file.fail("the attribute scheme is not the scheme of the tensors in the file");
  }
  if (has_member(file, "training")) checkpoint.training = read_training(file, budget);
  return checkpoint;
}

/// Every trouble of read_file as one line of a bsq::Error.
Checkpoint read_or_fail(const std::string& path, bool data) {
  try {
    if (data && std::filesystem::is_regular_file(path)) check_seal(path);
    if (is_hdf5_file(path)) rehearse(path, [&] { read_file(path, data); });
    return read_file(path, data);
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    throw Error(path + ": " + what.substr(0, what.find('\n')));
  } catch (const std::bad_alloc&) {
    throw Error(path + ": not enough memory to read it");
  } catch (const std::exception& error) {
    throw Error(path + ": " + error.what());
  }
}

}  // namespace

Checkpoint read_checkpoint(const std::string& path) { return read_or_fail(path, /*data=*/true); }

Checkpoint read_checkpoint_summary(const std::string& path) { return read_or_fail(path, /*data=*/false); }

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint, const std::string& previous) {
  const std::string name = stranger(checkpoint.kind, checkpoint.network);
  if (!name.empty())
    throw std::invalid_argument(path + ": the encoding of " + name + " does not go with the kind");
  const Hdf5Session session;
  const Hdf5Handle file = create_hdf5_image(path);
  write_root(file, checkpoint);
  write_network(file, "network", checkpoint.network);
  if (checkpoint.training) write_training(file, *checkpoint.training);
  save_hdf5_image(file, path, !previous.empty() && is_intact(path) ? previous : "");
}

bool is_hdf5_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  const Hdf5Session session;
  return H5Fis_hdf5(path.c_str()) > 0;
}

}  // namespace bsq
