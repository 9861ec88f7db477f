#include "bsq/infer/stored_model.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "bsq/base/error.h"
#include "bsq/infer/stored_numbers.h"
#include "bsq/io/checkpoint/rehearsal.h"
#include "bsq/io/hdf5/hdf5_file.h"
#include "bsq/io/hdf5/hdf5_text.h"
#include "bsq/io/seal.h"

namespace bsq::infer {
namespace {

constexpr int64_t kVersion = 2;
constexpr const char* kCodesV1 = "binary";  // what version 1 called them
constexpr int64_t kMostBits = 16;
constexpr int64_t kFarthestInteger = int64_t{1} << 20;
constexpr int64_t kMostLevels = int64_t{1} << 20;
constexpr int64_t kMostClasses = 1'000'000;
constexpr int64_t kMostSide = 65536;  // of images
constexpr int64_t kMostBytes = int64_t{4} << 30;

/// What a file's tensors may take in memory, together; unpacked digits take more than their file.
class Budget {
 public:
  explicit Budget(int64_t file_bytes)
      : left_(std::min(kMostBytes, 64 * std::min(file_bytes, kMostBytes) + (int64_t{64} << 20))) {}
  void take(const Hdf5Handle& dataset, int64_t bytes) {
    if (bytes > left_) {
      dataset.fail("the tensors of the file would take more than 64 times its size and 64 MiB, or 4 GiB");
    }
    left_ -= bytes;
  }

 private:
  int64_t left_;
};

/// Which integers a packed tensor holds.
struct Grid {
  int64_t bits = 0, levels = 1, low = 0, step = 1;
  bool has_sign = true;  ///< sign and magnitude: a plane of signs before those of digits
};

int64_t numel_of(const std::vector<int64_t>& shape) {
  int64_t numel = 1;
  for (const int64_t size : shape) {
    numel *= size;
  }
  return numel;
}

int64_t integer_attribute(const Hdf5Handle& object, const char* name, int64_t low, int64_t high) {
  const auto found = read_integers(object, name);
  if (found.size() != 1 || found[0] < low || found[0] > high) {
    object.fail(std::string("the attribute ") + name + " is not one integer from " + std::to_string(low) +
                " to " + std::to_string(high));
  }
  return found[0];
}

Grid read_grid(const Hdf5Handle& dataset) {
  Grid grid;
  grid.bits = integer_attribute(dataset, "bits", 0, kMostBits);
  const int64_t largest = (int64_t{1} << grid.bits) - 1;
  grid.levels = std::max<int64_t>(largest, 1);
  grid.low = -largest;
  if (!has_attribute(dataset, "format")) {
    return grid;
  }
  const auto numbers = read_integers(dataset, "format");
  if (numbers.size() != 3) {
    dataset.fail("the attribute format is not three integers");
  }
  grid = {grid.bits, numbers[0], numbers[1], numbers[2], /*has_sign=*/false};
  const bool is_near = grid.low >= -kFarthestInteger && grid.low <= kFarthestInteger;
  if (grid.levels < 1 || grid.levels > kMostLevels || !is_near || grid.step < 1 || grid.step > 2) {
    dataset.fail("the attribute format is out of range");
  }
  return grid;
}

std::vector<int64_t> read_shape(const Hdf5Handle& dataset) {
  const auto shape = read_integers(dataset, "shape");
  int64_t room = kMostBytes / 4;
  for (const int64_t size : shape) {
    if (shape.size() > 8 || size < 0 || std::max<int64_t>(size, 1) > room) {
      dataset.fail("the attribute shape is negative, above 4 GiB, or has more than 8 dimensions");
    }
    room /= std::max<int64_t>(size, 1);
  }
  return shape;
}

std::vector<float> read_scale(const Hdf5Handle& dataset, const char* name,
                              const std::vector<int64_t>& shape) {
  auto numbers = read_reals(dataset, name);
  const bool fits =
      numbers.size() == 1 || (!shape.empty() && static_cast<int64_t>(numbers.size()) == shape[0]);
  if (!fits) {
    dataset.fail(std::string("the attribute ") + name + " has " + std::to_string(numbers.size()) +
                 " numbers; expected one, or one a channel");
  }
  return numbers;
}

bool bit_at(const std::vector<uint8_t>& bytes, int64_t plane, int64_t plane_bytes, int64_t index) {
  return ((bytes[static_cast<size_t>(plane * plane_bytes + index / 8)] >> (7 - index % 8)) & 1) != 0;
}

std::vector<int32_t> unpack(const std::vector<uint8_t>& bytes, int64_t numel, const Grid& grid) {
  std::vector<int32_t> integers(static_cast<size_t>(numel), 0);
  if (grid.bits == 0) {
    return integers;
  }
  const int64_t plane_bytes = (numel + 7) / 8, first = grid.has_sign ? 1 : 0;
  for (int64_t i = 0; i < numel; ++i) {
    int64_t number = 0;
    for (int64_t b = 0; b < grid.bits; ++b) {
      number = 2 * number + (bit_at(bytes, first + b, plane_bytes, i) ? 1 : 0);
    }
    if (grid.has_sign) {
      number = bit_at(bytes, 0, plane_bytes, i) ? -number : number;
    } else {
      number = grid.low + grid.step * number;
    }
    integers[static_cast<size_t>(i)] = static_cast<int32_t>(number);
  }
  return integers;
}

StoredCodes read_codes(const Hdf5Handle& dataset, Budget& budget) {
  const auto grid = read_grid(dataset);
  StoredCodes codes;
  codes.shape = read_shape(dataset);
  codes.levels = grid.levels;
  codes.bits = has_attribute(dataset, "is_zero") ? 0 : grid.bits;
  codes.scale = read_scale(dataset, "scale", codes.shape);
  if (has_attribute(dataset, "offset")) {
    codes.offset = read_scale(dataset, "offset", codes.shape);
    if (codes.offset.size() != codes.scale.size()) {
      dataset.fail("the attribute offset has another count of numbers than the scale");
    }
  }
  const int64_t numel = numel_of(codes.shape);
  budget.take(dataset, 4 * numel);
  const int64_t planes = grid.bits == 0 ? 0 : grid.bits + (grid.has_sign ? 1 : 0);
  const auto bytes = read_bytes(dataset, planes * ((numel + 7) / 8));
  codes.integers = unpack(bytes, numel, grid);
  return codes;
}

StoredArray read_array(const Hdf5Handle& dataset, Budget& budget) {
  StoredArray array;
  array.shape = dataset_shape(dataset);
  budget.take(dataset, 8 * numel_of(array.shape));
  array.values = read_floats(dataset);
  return array;
}

void read_tensor(const Hdf5Handle& group, const std::string& name, Budget& budget, StoredModel& model) {
  const auto dataset = open_dataset(group, name);
  if (!has_attribute(dataset, "encoding")) {
    model.arrays[name] = read_array(dataset, budget);
    return;
  }
  const auto encoding = read_text(dataset, "encoding");
  if (encoding != "codes" && encoding != kCodesV1) {
    dataset.fail("is in training (encoding '" + printable(encoding) +
                 "'); expected codes, as in best_bin.h5 or final.h5");
  }
  model.codes[name] = read_codes(dataset, budget);
}

std::array<float, 3> read_three(const Hdf5Handle& file, const char* name) {
  const auto numbers = read_reals(file, name);
  if (numbers.size() != 3) {
    file.fail(std::string("the attribute ") + name + " is not three numbers");
  }
  return {numbers[0], numbers[1], numbers[2]};
}

std::vector<std::string> read_class_names(const Hdf5Handle& file) {
  const auto json =
      nlohmann::json::parse(read_text(file, "class_names"), nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> names;
  if (!json.is_array()) {
    file.fail("the attribute class_names is not a JSON array of strings");
  }
  for (const auto& item : json) {
    if (!item.is_string()) {
      file.fail("the attribute class_names is not a JSON array of strings");
    }
    names.push_back(item.get<std::string>());
  }
  return names;
}

double read_number(const Hdf5Handle& file, const char* name) {
  const auto numbers = read_doubles(file, name);
  if (numbers.size() != 1) {
    file.fail(std::string("the attribute ") + name + " is not one number");
  }
  return numbers[0];
}

int64_t read_version(const Hdf5Handle& file) {
  if (!has_attribute(file, "format") || read_text(file, "format") != "bsq") {
    file.fail("no BSQ checkpoint: the attribute format is not 'bsq'");
  }
  const auto version = integer_attribute(file, "version", 1, std::numeric_limits<int64_t>::max());
  if (version > kVersion) {
    file.fail("the file has version " + std::to_string(version) + ", this program reads versions up to " +
              std::to_string(kVersion) + ": a newer program is needed");
  }
  return version;
}

// Version 1 knew three methods, which it called kinds, and the options of a ResNet.
void read_form_v1(const Hdf5Handle& file, StoredModel& model) {
  const auto kind = read_text(file, "kind");
  model.method = kind == "bits" ? "bsq" : kind;
  const nlohmann::json options = {{"depth", std::to_string(integer_attribute(file, "depth", 1, 1 << 20))},
                                  {"block-name", printable(read_text(file, "block_name"))}};
  model.options = options.dump();
}

void read_about(const Hdf5Handle& file, StoredModel& model) {
  if (read_version(file) == 1) {
    read_form_v1(file, model);
  } else {
    model.method = read_text(file, "method");
    model.options = read_text(file, "options");
  }
  model.architecture = read_text(file, "architecture");
  model.dataset = read_text(file, "dataset");
  model.scheme = read_text(file, "scheme");
  model.classes = integer_attribute(file, "classes", 1, kMostClasses);
  model.top1 = read_number(file, "top1");
  model.comp = read_number(file, "comp");
  model.comp_stored = read_number(file, "comp_stored");
  if (has_attribute(file, "program")) {
    model.program = read_text(file, "program");
  }
  if (has_attribute(file, "class_names")) {
    model.class_names = read_class_names(file);
  }
  if (has_attribute(file, "image_size")) {
    model.image_size = integer_attribute(file, "image_size", 1, kMostSide);
    model.resize = integer_attribute(file, "resize", model.image_size, kMostSide);
  }
  if (has_attribute(file, "mean") && has_attribute(file, "std")) {
    model.mean = read_three(file, "mean");
    model.std = read_three(file, "std");
  }
}

StoredModel read_file(const std::string& path) {
  const Hdf5Session session;
  const auto file = open_hdf5_file(path);
  StoredModel model;
  model.path = path;
  read_about(file, model);
  Budget budget(static_cast<int64_t>(std::filesystem::file_size(path)));
  const auto group = open_group(file, "network");
  model.names = member_names(group);
  for (const auto& name : model.names) {
    read_tensor(group, name, budget, model);
  }
  return model;
}

}  // namespace

std::vector<float> StoredCodes::values() const {
  std::vector<float> values(integers.size());
  const size_t channels = scale.size();
  const size_t row = channels == 0 ? 0 : integers.size() / channels;
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t channel = channels <= 1 ? 0 : i / row;
    values[i] = static_cast<float>(integers[i]) / static_cast<float>(levels) * scale[channel] +
                (offset.empty() ? 0.0F : offset[channel]);
  }
  return values;
}

StoredModel read_model(const std::string& path) {
  try {
    check_seal(path);
    rehearse(path, [&] { read_file(path); });
    return read_file(path);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(path + ": not enough memory to read it");
  } catch (const std::exception& error) {
    throw Error(path + ": " + error.what());
  }
}

}  // namespace bsq::infer
