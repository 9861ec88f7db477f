#include "bsq/io/checkpoint/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <limits>
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

void write_description(const Hdf5Handle& file, const NetworkDescription& description) {
  write_text(file, "architecture", description.architecture);
  write_integer(file, kDepth, description.depth);
  write_text(file, "block_name", description.block_name);
  write_integer(file, kClasses, description.classes);
  write_integer(file, kActivationBits, description.activation_bits);
  write_text(file, "activation_range", kRanges[static_cast<int>(description.activation_range)]);
  write_integer(file, kQuantizeShortcut, description.quantize_shortcut ? 1 : 0);
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
  description.depth = read_integer(file, kDepth);
  description.block_name = read_text(file, "block_name");
  description.classes = read_integer(file, kClasses);
  description.activation_bits = read_integer(file, kActivationBits);
  description.activation_range = static_cast<ActivationRange>(read_choice(file, "activation_range", kRanges));
  description.quantize_shortcut = read_integer(file, kQuantizeShortcut) != 0;
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
