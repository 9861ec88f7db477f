#include "bsq/io/checkpoint/checkpoint_network.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/packing.h"
#include "bsq/io/hdf5/hdf5_attribute.h"
#include "bsq/io/hdf5/hdf5_file.h"

namespace bsq {
namespace {

constexpr IntegerField kBits{"bits", 0, kMaxStoredBits};
constexpr IntegerField kIsZero{"is_zero", 1, 1};
constexpr const char* kNotFinite = "holds a number that is not finite in float32";
// The numbers of the attribute "format": levels, low, step.
constexpr int64_t kFormatNumbers = 3;

struct EncodingName {
  Encoding encoding;
  const char* name;
};
constexpr EncodingName kNames[] = {
    {Encoding::kCodes, "codes"}, {Encoding::kPlanes, "planes"}, {Encoding::kLatent, "latent"}};
// Of files of version 1, where codes were sign and magnitude and master weights frozen ones.
constexpr EncodingName kNamesV1[] = {
    {Encoding::kCodes, "binary"}, {Encoding::kPlanes, "planes"}, {Encoding::kLatent, "frozen"}};

template <typename Named>
std::vector<std::string> names_of(const std::vector<Named>& named) {
  std::vector<std::string> names;
  for (const Named& item : named) names.push_back(item.first);
  return names;
}

bool is_real(const torch::Tensor& tensor) {
  return tensor.defined() &&
         (tensor.scalar_type() == torch::kFloat32 || tensor.scalar_type() == torch::kFloat64);
}

// In float32, in which networks compute.
bool is_finite(const torch::Tensor& tensor) {
  return !tensor.is_floating_point() || tensor.to(torch::kFloat32).isfinite().all().item<bool>();
}

bool has_scale(Encoding encoding) { return encoding == Encoding::kCodes || encoding == Encoding::kPlanes; }

/// Whether the planes are those of a StoredTensor.
bool are_planes(const StoredTensor& entry) {
  return is_real(entry.positive) && is_real(entry.negative) &&
         entry.positive.sizes() == entry.negative.sizes() &&
         entry.positive.scalar_type() == entry.negative.scalar_type() && entry.positive.dim() > 0 &&
         entry.positive.size(0) == entry.format.bits;
}

/// Whether it is one number, or one for each channel of codes.
bool is_scale(const StoredTensor& entry) {
  if (!is_real(entry.scale)) return false;
  const bool is_channelwise = entry.encoding == Encoding::kCodes && entry.scale.dim() == 1 &&
                              entry.value.dim() > 0 && entry.scale.size(0) == entry.value.size(0);
  return entry.scale.dim() == 0 || is_channelwise;
}

/// Of codes, as many numbers as the scale has; else none.
bool is_offset(const StoredTensor& entry) {
  return !entry.offset.defined() || (entry.encoding == Encoding::kCodes && is_real(entry.offset) &&
                                     entry.offset.sizes() == entry.scale.sizes());
}

/// What is wrong with an entry to be written, "" if nothing.
std::string entry_fault(const StoredTensor& entry) {
  if (entry.encoding == Encoding::kPlanes ? !are_planes(entry) : !entry.value.defined()) {
    return entry.encoding == Encoding::kPlanes
               ? "planes that differ in type or shape, or that are not as many as its bits"
               : "an undefined value";
  }
  if (entry.encoding == Encoding::kFloat) return "";
  if (entry.encoding == Encoding::kCodes && entry.value.scalar_type() != torch::kInt32)
    return "integers not int32";
  if (entry.encoding == Encoding::kLatent && !is_real(entry.value))
    return "a master weight not float32 or float64";
  if (entry.bits != 0 && entry.bits != entry.format.bits) return "bits that are not those of its format";
  if (has_scale(entry.encoding) && !is_scale(entry))
    return "a scale that is not one float32 or float64 a channel";
  return is_offset(entry) ? "" : "an offset that is not of its scale's shape";
}

torch::Tensor stored_values(const StoredTensor& entry) {
  if (entry.encoding == Encoding::kCodes) return pack_codes(entry.value, entry.format);
  if (entry.encoding == Encoding::kPlanes)
    return torch::stack({entry.positive.detach(), entry.negative.detach()});
  return entry.value;
}

const char* encoding_name(Encoding encoding) {
  for (const auto& [known, name] : kNames) {
    if (known == encoding) return name;
  }
  return "";
}

void write_bit_attributes(const Hdf5Handle& dataset, const StoredTensor& entry) {
  const CodeFormat& format = entry.format;
  write_text(dataset, "encoding", encoding_name(entry.encoding));
  write_values(dataset, kBits.name, torch::tensor(format.bits, torch::kUInt8));
  if (format != sign_magnitude(format.bits)) {
    write_values(dataset, "format", torch::tensor({format.levels, format.low, format.step}, torch::kInt64));
  }
  if (entry.bits == 0 && format.bits != 0) {
    write_values(dataset, kIsZero.name, torch::tensor(1, torch::kUInt8));
  }
  if (!entry.source.empty()) write_text(dataset, "source", entry.source);
  if (has_scale(entry.encoding)) {
    if (!entry.scale.isfinite().all().item<bool>())
      dataset.fail("the scale is not finite, expected a number");
    write_values(dataset, "scale", entry.scale);
  }
  if (entry.offset.defined()) {
    if (!entry.offset.isfinite().all().item<bool>())
      dataset.fail("the offset is not finite, expected a number");
    write_values(dataset, "offset", entry.offset);
  }
  if (entry.encoding == Encoding::kCodes)
    write_values(dataset, "shape", torch::tensor(entry.value.sizes(), torch::kInt64));
}

void write_entry(const Hdf5Handle& group, const std::string& name, const StoredTensor& entry) {
  const std::string fault = entry_fault(entry);
  if (!fault.empty()) throw std::invalid_argument(fault);
  if (entry.encoding != Encoding::kFloat) check_format(entry.format);
  const torch::Tensor values = stored_values(entry);
  Hdf5Handle dataset = write_dataset(group, name, values);
  if (!is_finite(values)) dataset.fail(kNotFinite);
  if (entry.encoding != Encoding::kFloat) write_bit_attributes(dataset, entry);
  dataset.close();
}

template <size_t kCount>
Encoding encoding_of(const Hdf5Handle& dataset, const EncodingName (&names)[kCount]) {
  const std::string found = read_text(dataset, "encoding");
  std::string expected;
  for (const auto& [encoding, name] : names) {
    if (found == name) return encoding;
    expected += (expected.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  dataset.fail("the attribute encoding is '" + printable(found) + "', expected one of " + expected);
}

Encoding read_encoding(const Hdf5Handle& dataset, int64_t version) {
  if (!has_attribute(dataset, "encoding")) return Encoding::kFloat;
  return version == 1 ? encoding_of(dataset, kNamesV1) : encoding_of(dataset, kNames);
}

CodeFormat read_format(const Hdf5Handle& dataset) {
  CodeFormat format = sign_magnitude(read_integer(dataset, kBits));
  if (!has_attribute(dataset, "format")) return format;
  const torch::Tensor numbers = read_values(dataset, "format");
  if (numbers.scalar_type() != torch::kInt64 || numbers.numel() != kFormatNumbers)
    dataset.fail("the attribute format is not three int64");
  const auto* number = numbers.data_ptr<int64_t>();
  format = {format.bits, number[0], number[1], number[2], /*has_sign_bit=*/false};
  try {
    check_format(format);
  } catch (const std::invalid_argument& error) {
    dataset.fail(error.what());
  }
  return format;
}

/// The bit width that counts.
int64_t read_counted_bits(const Hdf5Handle& dataset, const CodeFormat& format) {
  if (!has_attribute(dataset, kIsZero.name)) return format.bits;
  read_integer(dataset, kIsZero);
  return 0;
}

/// The numbers of the attribute "scale" or "offset".
torch::Tensor read_numbers(const Hdf5Handle& dataset, const std::string& name,
                           const std::vector<int64_t>& shape) {
  const torch::Tensor numbers = read_values(dataset, name);
  if (!is_real(numbers)) dataset.fail("the attribute " + name + " is not float32 or float64");
  if (!numbers.isfinite().all().item<bool>()) dataset.fail("the attribute " + name + " is not finite");
  if (numbers.numel() == 1) return numbers.reshape({});
  if (shape.empty() || numbers.numel() != shape[0])
    dataset.fail("the attribute " + name + " has " + std::to_string(numbers.numel()) +
                 " numbers, expected one or one a channel");
  return numbers;
}

torch::Tensor read_offset(const Hdf5Handle& dataset, const std::vector<int64_t>& shape,
                          const torch::Tensor& scale) {
  const torch::Tensor offset = read_numbers(dataset, "offset", shape);
  if (offset.sizes() != scale.sizes() || offset.scalar_type() != scale.scalar_type())
    dataset.fail("the attribute offset differs from the scale in type or count of numbers");
  return offset;
}

std::vector<int64_t> read_shape(const Hdf5Handle& dataset) {
  const torch::Tensor shape = read_values(dataset, "shape");
  const bool list = shape.dim() == 1 && !shape.is_floating_point() && shape.numel() <= kMaxRank;
  if (!list) dataset.fail("the attribute shape is not a list of up to 8 integers");
  const torch::Tensor wide = shape.to(torch::kInt64);
  const std::vector<int64_t> sizes(wide.data_ptr<int64_t>(), wide.data_ptr<int64_t>() + wide.numel());
  if (!checked_numel(sizes, kMaxTensorBytes / 4))
    dataset.fail("the attribute shape is negative or above 4 GiB");
  return sizes;
}

/// The shape of the weights, of which a dataset of this encoding must be.
std::vector<int64_t> weight_shape(const Hdf5Handle& dataset, const StoredShape& stored,
                                  const StoredTensor& entry) {
  if (entry.encoding == Encoding::kCodes) {
    auto shape = read_shape(dataset);
    const int64_t bytes = packed_bytes(c10::multiply_integers(shape), entry.format);
    if (stored.sizes != std::vector<int64_t>{bytes}) {
      dataset.fail("has another shape than its attributes ask for: expected (" + std::to_string(bytes) + ")");
    }
    return shape;
  }
  if (entry.encoding == Encoding::kLatent) return stored.sizes;
  const auto& sizes = stored.sizes;
  if (sizes.size() < 2 || sizes[0] != 2 || sizes[1] != entry.format.bits) {
    dataset.fail("has another shape than its attributes ask for: expected (2, " +
                 std::to_string(entry.format.bits) + ", ...)");
  }
  return {sizes.begin() + 2, sizes.end()};
}

void check_type(const Hdf5Handle& dataset, const StoredShape& stored, Encoding encoding) {
  const bool is_packed = encoding == Encoding::kCodes;
  const bool real = stored.type == torch::kFloat32 || stored.type == torch::kFloat64;
  if (is_packed ? stored.type != torch::kUInt8 : !real) {
    dataset.fail(std::string("has another type than its encoding asks for: expected ") +
                 (is_packed ? "uint8" : "float32 or float64"));
  }
}

void read_values_of(const Hdf5Handle& dataset, const StoredShape& stored, const std::vector<int64_t>& shape,
                    StoredTensor& entry) {
  const torch::Tensor values = read_dataset(dataset, stored);
  if (!is_finite(values)) dataset.fail(kNotFinite);
  if (entry.encoding == Encoding::kCodes) {
    try {
      entry.value = unpack_codes(values, shape, entry.format);
    } catch (const Error& error) {
      dataset.fail(error.what());
    }
  } else if (entry.encoding == Encoding::kPlanes) {
    entry.positive = values[0];
    entry.negative = values[1];
  } else {
    entry.value = values;
  }
}

StoredTensor read_entry(const Hdf5Handle& dataset, ReadBudget& budget, int64_t version) {
  const StoredShape stored = inspect_dataset(dataset);
  budget.take_stored(dataset, stored.bytes);
  StoredTensor entry;
  entry.encoding = read_encoding(dataset, version);
  std::vector<int64_t> shape;
  if (entry.encoding != Encoding::kFloat) {
    entry.format = read_format(dataset);
    entry.bits = read_counted_bits(dataset, entry.format);
    shape = weight_shape(dataset, stored, entry);
    check_type(dataset, stored, entry.encoding);
    if (has_attribute(dataset, "source")) entry.source = read_text(dataset, "source");
    if (has_scale(entry.encoding) || version == 1) entry.scale = read_numbers(dataset, "scale", shape);
    if (entry.encoding == Encoding::kCodes && has_attribute(dataset, "offset"))
      entry.offset = read_offset(dataset, shape, entry.scale);
  }
  if (entry.encoding == Encoding::kCodes) budget.take_unpacked(dataset, 4 * c10::multiply_integers(shape));
  read_values_of(dataset, stored, shape, entry);
  return entry;
}

}  // namespace

// Digits of one bit and a sign take 16 times their room unpacked; layers that have lost all their bits take
// none in the file.
ReadBudget::ReadBudget(int64_t file_bytes)
    : stored_(file_bytes),
      unpacked_(std::min(kMaxTensorBytes, 64 * std::min(file_bytes, kMaxTensorBytes) + (int64_t{64} << 20))) {
}

void ReadBudget::take_stored(const Hdf5Handle& object, int64_t bytes) {
  if (bytes > stored_) object.fail("the datasets are larger than the file");
  stored_ -= bytes;
}

void ReadBudget::take_unpacked(const Hdf5Handle& object, int64_t bytes) {
  if (bytes > unpacked_)
    object.fail(
        "the packed digits of the file would take more than 64 times its size and 64 MiB, or 4 GiB of "
        "memory");
  unpacked_ -= bytes;
}

void write_tensors(const Hdf5Handle& parent, const std::string& name, const NamedTensors& tensors) {
  NetworkState network;
  for (const auto& [tensor_name, tensor] : tensors) {
    network.emplace_back(tensor_name, StoredTensor{});
    network.back().second.value = tensor;
  }
  write_network(parent, name, network);
}

NamedTensors read_tensors(const Hdf5Handle& parent, const std::string& name, ReadBudget& budget) {
  NamedTensors tensors;
  for (const auto& [tensor_name, entry] : read_network(parent, name, budget, /*version=*/2)) {
    if (entry.encoding != Encoding::kFloat)
      throw Error(parent.where(name) + ": " + tensor_name + " is not a plain tensor");
    tensors.push_back({tensor_name, entry.value});
  }
  return tensors;
}

void write_network(const Hdf5Handle& parent, const std::string& name, const NetworkState& network) {
  Hdf5Handle group = create_group(parent, name, names_of(network));
  for (const auto& [tensor_name, entry] : network) {
    try {
      write_entry(group, tensor_name, entry);
    } catch (const std::invalid_argument& mistake) {
      throw std::invalid_argument(group.where(tensor_name) + ": " + mistake.what());
    }
  }
  group.close();
}

NetworkState read_network(const Hdf5Handle& parent, const std::string& name, ReadBudget& budget,
                          int64_t version) {
  const Hdf5Handle group = open_group(parent, name);
  NetworkState network;
  for (const std::string& tensor_name : member_names(group)) {
    network.push_back({tensor_name, read_entry(open_dataset(group, tensor_name), budget, version)});
  }
  return network;
}

}  // namespace bsq
