#include "bsq/io/checkpoint/checkpoint.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint_json.h"
#include "bsq/io/checkpoint/checkpoint_network.h"
#include "bsq/io/checkpoint/checkpoint_training.h"
#include "bsq/io/checkpoint/checkpoint_v1.h"
#include "bsq/io/checkpoint/rehearsal.h"
#include "bsq/io/hdf5/hdf5_attribute.h"
#include "bsq/io/hdf5/hdf5_file.h"
#include "bsq/io/seal.h"

namespace bsq {
namespace {

constexpr int64_t kVersion = 2;
constexpr const char* kRanges[] = {"running", "batch"};  // in the order of ActivationRange
// In the order of ActivationPlace.
constexpr const char* kPlaces[] = {"output", "input", "shared-input", "every-input", "inner-shared-input"};

constexpr IntegerField kVersionField{"version", 1, std::numeric_limits<int64_t>::max()};
constexpr IntegerField kClasses{"classes", 1, 1'000'000};
constexpr IntegerField kActivationBits{"activation_bits", 0, 32};
constexpr IntegerField kImageSize{"image_size", 1, 65536};
constexpr IntegerField kResize{"resize", 1, 65536};
constexpr IntegerField kImageHeight{"image_height", 1, 65536};
constexpr IntegerField kImageWidth{"image_width", 1, 65536};
constexpr IntegerField kEpoch{"epoch", -1, std::numeric_limits<int64_t>::max()};

/// The first tensor that holds bits in a float network, "" if there is none.
std::string tensor_with_bits(const Checkpoint& checkpoint) {
  if (checkpoint.method != "float") return "";
  for (const auto& [name, tensor] : checkpoint.network) {
    if (tensor.encoding != Encoding::kFloat) return name;
  }
  return "";
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

void write_description(const Hdf5Handle& file, const NetworkDescription& description) {
  write_text(file, "architecture", description.architecture);
  write_text(file, "options", options_text(description.options));
  write_integer(file, kClasses, description.classes);
  write_text(file, "activation", description.activation);
  write_integer(file, kActivationBits, description.activation_bits);
  write_text(file, "activation_range", kRanges[static_cast<int>(description.activation_range)]);
  write_text(file, "activation_place", kPlaces[static_cast<int>(description.activation_place)]);
  write_text(file, "activation_rules", rules_text(description.activation_rules));
  write_text(file, "norm", description.norm);
  write_integer(file, kImageHeight, description.image_height);
  write_integer(file, kImageWidth, description.image_width);
}

// Files that are older than these attributes lack them.
void read_places(const Hdf5Handle& file, NetworkDescription& description) {
  if (has_attribute(file, "activation_place")) {
    description.activation_place =
        static_cast<ActivationPlace>(read_choice(file, "activation_place", kPlaces));
  }
  if (has_attribute(file, "activation_rules")) {
    description.activation_rules =
        parse_rules(read_text(file, "activation_rules"), file.where() + ": the attribute activation_rules");
  }
  if (has_attribute(file, "norm")) {
    description.norm = read_text(file, "norm");
  }
  if (has_attribute(file, "image_height")) {
    description.image_height = read_integer(file, kImageHeight);
    description.image_width = read_integer(file, kImageWidth);
  }
}

// What is not known is left out.
void write_data(const Hdf5Handle& file, const DataRecord& data) {
  if (!data.class_names.empty()) write_text(file, "class_names", names_text(data.class_names));
  if (data.train >= 0) {
    write_values(file, "images", torch::tensor({data.train, data.validation, data.test}, torch::kInt64));
  }
  if (const auto& normalization = data.normalization) {
    write_values(file, "mean", torch::tensor(at::ArrayRef<float>(normalization->mean.data(), 3)));
    write_values(file, "std", torch::tensor(at::ArrayRef<float>(normalization->std.data(), 3)));
  }
  if (data.image_size > 0) {
    write_integer(file, kImageSize, data.image_size);
    write_integer(file, kResize, data.resize);
  }
}

std::array<float, 3> read_three(const Hdf5Handle& file, const char* name) {
  const torch::Tensor values = read_values(file, name).to(torch::kFloat32);
  if (values.numel() != 3 || !values.isfinite().all().item<bool>()) {
    file.fail(std::string("the attribute ") + name + " is not three finite numbers");
  }
  const auto* number = values.data_ptr<float>();
  return {number[0], number[1], number[2]};
}

// Files that are older than an attribute lack it.
DataRecord read_data(const Hdf5Handle& file) {
  DataRecord data;
  if (has_attribute(file, "image_size")) {
    data.image_size = read_integer(file, kImageSize);
    data.resize = read_integer(file, kResize);
  }
  if (has_attribute(file, "class_names")) {
    data.class_names =
        parse_names(read_text(file, "class_names"), file.where() + ": the attribute class_names");
  }
  if (has_attribute(file, "images")) {
    const torch::Tensor images = read_values(file, "images");
    if (images.scalar_type() != torch::kInt64 || images.numel() != 3) {
      file.fail("the attribute images is not three int64");
    }
    const auto* number = images.data_ptr<int64_t>();
    data.train = number[0];
    data.validation = number[1];
    data.test = number[2];
  }
  if (has_attribute(file, "mean") && has_attribute(file, "std")) {
    data.normalization = Normalization{read_three(file, "mean"), read_three(file, "std")};
  }
  return data;
}

void write_root(const Hdf5Handle& file, const Checkpoint& checkpoint) {
  write_text(file, "format", "bsq");
  write_integer(file, kVersionField, kVersion);
  write_text(file, "method", checkpoint.method);
  write_description(file, checkpoint.description);
  write_text(file, "dataset", checkpoint.dataset);
  write_data(file, checkpoint.data);
  write_number(file, "top1", checkpoint.top1);
  write_integer(file, kEpoch, checkpoint.epoch);
  write_number(file, "comp", checkpoint.comp);
  write_number(file, "comp_stored", checkpoint.comp_stored);
  write_text(file, "scheme", scheme_text(checkpoint.network));
  write_text(file, "configuration", checkpoint.configuration);
  const auto bytes = static_cast<int64_t>(checkpoint.program.size());
  if (bytes > 0 && bytes <= kMaxTextBytes) write_text(file, "program", checkpoint.program);
}

int64_t read_version(const Hdf5Handle& file) {
  if (!has_attribute(file, "format") || read_text(file, "format") != "bsq") {
    file.fail("no BSQ checkpoint: the attribute format is not 'bsq'");
  }
  const int64_t version = read_integer(file, kVersionField);
  if (version > kVersion) {
    file.fail("the file has version " + std::to_string(version) + ", this program reads versions up to " +
              std::to_string(kVersion) + ": a newer program is needed");
  }
  return version;
}

Checkpoint read_root(const Hdf5Handle& file, int64_t version) {
  Checkpoint checkpoint;
  auto& description = checkpoint.description;
  description.architecture = read_text(file, "architecture");
  description.classes = read_integer(file, kClasses);
  description.activation_bits = read_integer(file, kActivationBits);
  description.activation_range = static_cast<ActivationRange>(read_choice(file, "activation_range", kRanges));
  if (version == 1) {
    read_root_v1(file, checkpoint);
  } else {
    checkpoint.method = read_text(file, "method");
    description.options = parse_options(read_text(file, "options"), file.where() + ": the attribute options");
    description.activation = read_text(file, "activation");
    read_places(file, description);
  }
  checkpoint.dataset = read_text(file, "dataset");
  checkpoint.data = read_data(file);
  checkpoint.top1 = read_number(file, "top1");
  checkpoint.epoch = read_integer(file, kEpoch);
  checkpoint.comp = read_number(file, "comp");
  checkpoint.comp_stored = read_number(file, "comp_stored");
  checkpoint.configuration = read_text(file, "configuration");
  if (has_attribute(file, "program")) checkpoint.program = read_text(file, "program");
  return checkpoint;
}

Checkpoint read_file(const std::string& path) {
  const Hdf5Session session;
  const Hdf5Handle file = open_hdf5_file(path);
  const int64_t version = read_version(file);
  Checkpoint checkpoint = read_root(file, version);
  ReadBudget budget(static_cast<int64_t>(std::filesystem::file_size(path)));
  checkpoint.network = read_network(file, "network", budget, version);
  const std::string name = tensor_with_bits(checkpoint);
  if (!name.empty()) file.fail("the tensor " + name + " holds bits, expected none in a float network");
  if (!is_scheme_of(read_text(file, "scheme"), checkpoint.network)) {
    file.fail("the attribute scheme is not the scheme of the tensors in the file");
  }
  if (has_member(file, "training")) checkpoint.training = read_training(file, budget, version);
  if (version == 1) upgrade_v1(checkpoint);
  return checkpoint;
}

/// Every trouble of read_file as one line of a bsq::Error.
Checkpoint read_or_fail(const std::string& path, FileOrigin origin) {
  try {
    const bool is_sealed = std::filesystem::is_regular_file(path) && check_seal(path);
    const bool is_own = is_sealed && origin == FileOrigin::kOwnRun;
    if (!is_own && is_hdf5_file(path))
      rehearse(path, [&] {
        at::set_num_threads(1);
        read_file(path);
      });
    return read_file(path);
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

Checkpoint read_checkpoint(const std::string& path, FileOrigin origin) { return read_or_fail(path, origin); }

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint, const std::string& previous) {
  const std::string name = tensor_with_bits(checkpoint);
  if (!name.empty()) throw std::invalid_argument(path + ": " + name + " holds bits in a float network");
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
