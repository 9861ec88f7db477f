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

const char* encoding_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kBinary:
      return "binary";
    case Encoding::kPlanes:
      return "planes";
    case Encoding::kFrozen:
      return "frozen";
    default:
      return "";
  }
}

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

/// What is wrong with an entry to be written, "" if nothing.
std::string entry_fault(const StoredTensor& entry) {
  if (entry.encoding == Encoding::kPlanes) {
    if (!is_real(entry.positive) || !is_real(entry.negative)) return "planes that are not float32 or float64";
    const bool alike = entry.positive.sizes() == entry.negative.sizes() &&
                       entry.positive.scalar_type() == entry.negative.scalar_type();
    if (!alike || entry.positive.dim() == 0 || entry.positive.size(0) != entry.bits) {
      return "planes that differ in type or shape, or that are not as many as its bits";
    }
  } else if (!entry.value.defined()) {
    return "an undefined value";
  }
  if (entry.encoding == Encoding::kBinary && entry.value.scalar_type() != torch::kInt32)
    return "integers not int32";
  if (entry.encoding == Encoding::kFrozen && !is_real(entry.value))
    return "a frozen q not float32 or float64";
  if (entry.encoding == Encoding::kFloat) return "";
  return is_real(entry.scale) && entry.scale.dim() == 0 ? "" : "a scale that is not one float32 or float64";
}

torch::Tensor stored_values(const StoredTensor& entry) {
  if (entry.encoding == Encoding::kBinary) return pack_digits(entry.value, entry.bits);
  if (entry.encoding == Encoding::kPlanes)
    return torch::stack({entry.positive.detach(), entry.negative.detach()});
  return entry.value;
}

void write_bit_attributes(const Hdf5Handle& dataset, const StoredTensor& entry) {
  if (!std::isfinite(entry.scale.item<double>())) {
    dataset.fail("the scale is " + std::to_string(entry.scale.item<double>()) + ", expected a finite number");
  }
  const torch::IntArrayRef shape =
      entry.encoding == Encoding::kPlanes ? entry.positive.sizes().slice(1) : entry.value.sizes();
  write_text(dataset, "encoding", encoding_name(entry.encoding));
  write_values(dataset, kBits.name, torch::tensor(entry.bits, torch::kUInt8));
  write_values(dataset, "scale", entry.scale);
  write_values(dataset, "shape", torch::tensor(shape, torch::kInt64));
}

void write_entry(const Hdf5Handle& group, const std::string& name, const StoredTensor& entry) {
  const std::string fault = entry_fault(entry);
  if (!fault.empty()) throw std::invalid_argument(fault);
  if (entry.bits < kBits.low || entry.bits > kBits.high) {
    throw std::invalid_argument(std::to_string(entry.bits) + " bits, expected 0 to 16");
  }
  Hdf5Handle dataset = write_dataset(group, name, stored_values(entry));
  if (entry.encoding != Encoding::kFloat) write_bit_attributes(dataset, entry);
  dataset.close();
}

Encoding read_encoding(const Hdf5Handle& dataset) {
  if (!has_attribute(dataset, "encoding")) return Encoding::kFloat;
  const std::string name = read_text(dataset, "encoding");
  for (const Encoding encoding : {Encoding::kBinary, Encoding::kPlanes, Encoding::kFrozen}) {
    if (name == encoding_name(encoding)) return encoding;
  }
  dataset.fail("the attribute encoding is '" + printable(name) +
               "', expected 'binary', 'planes' or 'frozen'");
}

torch::Tensor read_scale(const Hdf5Handle& dataset) {
  const double scale = read_number(dataset, "scale");
  if (!std::isfinite(scale)) dataset.fail("the attribute scale is not finite");
  return read_values(dataset, "scale").reshape({});
}

std::vector<int64_t> read_shape(const Hdf5Handle& dataset) {
  const torch::Tensor shape = read_values(dataset, "shape");
  const bool list = shape.dim() == 1 && !shape.is_floating_point();
  if (!list) dataset.fail("the attribute shape is not a list of integers");
  const torch::Tensor wide = shape.to(torch::kInt64);
  const std::vector<int64_t> sizes(wide.data_ptr<int64_t>(), wide.data_ptr<int64_t>() + wide.numel());
  if (!checked_numel(sizes, kMaxTensorBytes / 4))
    dataset.fail("the attribute shape is negative or above 4 GiB");
  return sizes;
}

/// Type and shape that a dataset of this encoding must have.
void check_stored(const Hdf5Handle& dataset, const StoredShape& stored, const StoredTensor& entry,
                  const std::vector<int64_t>& shape) {
  std::vector<int64_t> sizes = shape;
  if (entry.encoding == Encoding::kPlanes) sizes.insert(sizes.begin(), {2, entry.bits});
  if (entry.encoding == Encoding::kBinary) sizes = {packed_bytes(c10::multiply_integers(shape), entry.bits)};
  if (stored.sizes != sizes) {
    std::string expected;
    for (const int64_t size : sizes) expected += (expected.empty() ? "" : ", ") + std::to_string(size);
    dataset.fail("has another shape than its attributes ask for: expected (" + expected + ")");
  }
  const bool binary = entry.encoding == Encoding::kBinary;
  const bool real = stored.type == torch::kFloat32 || stored.type == torch::kFloat64;
  if (binary ? stored.type != torch::kUInt8 : !real) {
    dataset.fail(std::string("has another type than its encoding asks for: expected ") +
                 (binary ? "uint8" : "float32 or float64"));
  }
}

void read_values_of(const Hdf5Handle& dataset, const StoredShape& stored, const std::vector<int64_t>& shape,
                    StoredTensor& entry) {
  const torch::Tensor values = read_dataset(dataset, stored);
  if (entry.encoding == Encoding::kBinary) {
    try {
      entry.value = unpack_digits(values, shape, entry.bits);
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

StoredTensor read_entry(const Hdf5Handle& dataset, ReadBudget& budget) {
  const StoredShape stored = inspect_dataset(dataset);
  budget.take_stored(dataset, stored.bytes);
  StoredTensor entry;
  entry.encoding = read_encoding(dataset);
  std::vector<int64_t> shape;
  if (entry.encoding != Encoding::kFloat) {
    entry.bits = read_integer(dataset, kBits);
    shape = read_shape(dataset);
    check_stored(dataset, stored, entry, shape);
    const torch::Tensor scale = read_scale(dataset);
    if (budget.data()) entry.scale = scale;
  }
  if (entry.encoding == Encoding::kBinary) budget.take_unpacked(dataset, 4 * c10::multiply_integers(shape));
  if (budget.data()) read_values_of(dataset, stored, shape, entry);
  return entry;
}

}  // namespace

// Digits of one bit and a sign take 16 times their room unpacked; layers that have lost all their bits take
// none in the file.
ReadBudget::ReadBudget(int64_t file_bytes, bool data)
    : stored_(file_bytes),
      unpacked_(std::min(kMaxTensorBytes, 64 * std::min(file_bytes, kMaxTensorBytes) + (int64_t{64} << 20))),
      data_(data) {}

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
  for (const auto& [tensor_name, entry] : read_network(parent, name, budget)) {
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

NetworkState read_network(const Hdf5Handle& parent, const std::string& name, ReadBudget& budget) {
  const Hdf5Handle group = open_group(parent, name);
  NetworkState network;
  for (const std::string& tensor_name : member_names(group)) {
    network.push_back({tensor_name, read_entry(open_dataset(group, tensor_name), budget)});
  }
  return network;
}

}  // namespace bsq
