#include "bsq/infer/stored_numbers.h"

#include <algorithm>
#include <cmath>

#include "bsq/io/hdf5/hdf5_text.h"

namespace bsq::infer {
namespace {

constexpr hssize_t kMostNumbers = 8000;  // of an attribute
constexpr int kMostDimensions = 8;
constexpr int64_t kMostBytes = int64_t{4} << 30;

enum class Family { kIntegers, kReals };

// Little or big endian, as HDF5 converts both: signed and unsigned bytes, 32 and 64 bits, float and double.
bool is_of(hid_t type, Family family) {
  const H5T_class_t found = H5Tget_class(type);
  const size_t bytes = H5Tget_size(type);
  if (family == Family::kReals) {
    const bool is_ieee = H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0 ||
                         H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0;
    return found == H5T_FLOAT && is_ieee;
  }
  return found == H5T_INTEGER && (bytes == 1 || bytes == 4 || bytes == 8) &&
         H5Tget_precision(type) == 8 * bytes;
}

template <typename T>
std::vector<T> read_attribute(const Hdf5Handle& object, const std::string& name, Family family,
                              hid_t memory) {
  const auto attribute = open_attribute(object, name);
  const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose, object.where(), "read a type");
  const Hdf5Handle space(H5Aget_space(attribute.id()), H5Sclose, object.where(), "read a shape");
  const H5S_class_t kind = H5Sget_simple_extent_type(space.id());
  const bool has_shape = kind == H5S_SCALAR || kind == H5S_SIMPLE;
  const hssize_t count = has_shape ? H5Sget_simple_extent_npoints(space.id()) : -1;
  if (!is_of(type.id(), family) || H5Sget_simple_extent_ndims(space.id()) > 1 || count < 0 ||
      count > kMostNumbers) {
    object.fail("the attribute " + name + " is no list of at most " + std::to_string(kMostNumbers) +
                (family == Family::kReals ? " real numbers" : " integers"));
  }
  std::vector<T> numbers(static_cast<size_t>(count));
  if (count > 0) {
    attribute.check(H5Aread(attribute.id(), memory, numbers.data()), "read an attribute");
  }
  return numbers;
}

void require_finite(const Hdf5Handle& object, const std::vector<float>& numbers, const std::string& what) {
  if (!std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); })) {
    object.fail(what + " holds a number that is not finite in float32");
  }
}

void require_plain(const Hdf5Handle& dataset) {
  const Hdf5Handle creation(H5Dget_create_plist(dataset.id()), H5Pclose, dataset.where(), "read the layout");
  const H5D_layout_t layout = dataset.check(H5Pget_layout(creation.id()), "read the layout");
  const int parts = dataset.check(H5Pget_external_count(creation.id()), "read the layout") +
                    dataset.check(H5Pget_nfilters(creation.id()), "read the layout");
  if ((layout != H5D_CONTIGUOUS && layout != H5D_COMPACT) || parts != 0) {
    dataset.fail("is chunked, virtual, filtered or in other files; expected plain data in one piece");
  }
}

Hdf5Handle type_of(const Hdf5Handle& dataset) {
  return Hdf5Handle(H5Dget_type(dataset.id()), H5Tclose, dataset.where(), "read the type");
}

int64_t numel_of(const std::vector<int64_t>& shape) {
  int64_t numel = 1;
  for (const int64_t size : shape) {
    numel *= size;
  }
  return numel;
}

}  // namespace

std::vector<int64_t> read_integers(const Hdf5Handle& object, const std::string& name) {
  return read_attribute<int64_t>(object, name, Family::kIntegers, H5T_NATIVE_INT64);
}

std::vector<double> read_doubles(const Hdf5Handle& object, const std::string& name) {
  return read_attribute<double>(object, name, Family::kReals, H5T_NATIVE_DOUBLE);
}

std::vector<float> read_reals(const Hdf5Handle& object, const std::string& name) {
  const auto doubles = read_doubles(object, name);
  std::vector<float> numbers(doubles.size());
  std::transform(doubles.begin(), doubles.end(), numbers.begin(),
                 [](double x) { return std::abs(x) > 3.4e38 ? INFINITY : static_cast<float>(x); });
  require_finite(object, numbers, "the attribute " + name);
  return numbers;
}

std::vector<int64_t> dataset_shape(const Hdf5Handle& dataset) {
  require_plain(dataset);
  const Hdf5Handle space(H5Dget_space(dataset.id()), H5Sclose, dataset.where(), "read the shape");
  const H5S_class_t kind = H5Sget_simple_extent_type(space.id());
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if ((kind != H5S_SCALAR && kind != H5S_SIMPLE) || rank < 0 || rank > kMostDimensions) {
    dataset.fail("has no shape, or more than 8 dimensions");
  }
  hsize_t sizes[kMostDimensions] = {};
  dataset.check(H5Sget_simple_extent_dims(space.id(), sizes, /*maxdims=*/nullptr), "read the shape");
  const auto type = type_of(dataset);
  const auto bytes = static_cast<int64_t>(H5Tget_size(type.id()));
  int64_t room = kMostBytes / std::max<int64_t>(bytes, 1);
  for (int i = 0; i < rank; ++i) {
    const hsize_t least = std::max<hsize_t>(sizes[i], 1);
    if (least > static_cast<hsize_t>(room)) {
      dataset.fail("is larger than 4 GiB");
    }
    room /= static_cast<int64_t>(least);
  }
  const std::vector<int64_t> shape(sizes, sizes + rank);
  if (H5Dget_storage_size(dataset.id()) != static_cast<hsize_t>(numel_of(shape) * bytes)) {
    dataset.fail("holds fewer or more bytes than its shape asks for");
  }
  return shape;
}

std::vector<float> read_floats(const Hdf5Handle& dataset) {
  const auto type = type_of(dataset);
  if (!is_of(type.id(), Family::kReals) && !is_of(type.id(), Family::kIntegers)) {
    dataset.fail("has another type than float32, float64, int64, int32 and uint8");
  }
  std::vector<float> values(static_cast<size_t>(numel_of(dataset_shape(dataset))));
  if (!values.empty()) {
    dataset.check(H5Dread(dataset.id(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
                  "read it");
  }
  require_finite(dataset, values, "it");
  return values;
}

std::vector<uint8_t> read_bytes(const Hdf5Handle& dataset, int64_t bytes) {
  const auto type = type_of(dataset);
  if (H5Tequal(type.id(), H5T_STD_U8LE) <= 0 && H5Tequal(type.id(), H5T_STD_U8BE) <= 0) {
    dataset.fail("has another type than its encoding asks for: expected uint8");
  }
  if (dataset_shape(dataset) != std::vector<int64_t>{bytes}) {
    dataset.fail("has another shape than its attributes ask for: expected (" + std::to_string(bytes) + ")");
  }
  std::vector<uint8_t> values(static_cast<size_t>(bytes));
  if (bytes > 0) {
    dataset.check(H5Dread(dataset.id(), H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
                  "read it");
  }
  return values;
}

}  // namespace bsq::infer
