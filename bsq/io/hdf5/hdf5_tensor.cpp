#include "bsq/io/hdf5/hdf5_tensor.h"

#include <algorithm>
#include <stdexcept>

namespace bsq {
namespace {

/// Datasets up to this many bytes are kept in their header, which HDF5 checks by a checksum.
constexpr int64_t kCompactBytes = 16 << 10;

constexpr torch::ScalarType kTypes[] = {torch::kFloat32, torch::kFloat64, torch::kInt64, torch::kInt32,
                                        torch::kUInt8};

/// A type of ours in both byte orders (HDF5's names are not constants).
struct FileTypes {
  hid_t little;
  hid_t big;
  hid_t memory;
};

FileTypes file_types(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat32:
      return {H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_NATIVE_FLOAT};
    case torch::kFloat64:
      return {H5T_IEEE_F64LE, H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE};
    case torch::kInt64:
      return {H5T_STD_I64LE, H5T_STD_I64BE, H5T_NATIVE_INT64};
    case torch::kInt32:
      return {H5T_STD_I32LE, H5T_STD_I32BE, H5T_NATIVE_INT32};
    case torch::kUInt8:
      return {H5T_STD_U8LE, H5T_STD_U8BE, H5T_NATIVE_UINT8};
    default:
      throw std::invalid_argument(std::string("a tensor of type ") + c10::toString(type) +
                                  ", expected float32, float64, int64, int32 or uint8");
  }
}

std::optional<torch::ScalarType> scalar_type(hid_t type) {
  for (const torch::ScalarType candidate : kTypes) {
    const FileTypes types = file_types(candidate);
    if (H5Tequal(type, types.little) > 0 || H5Tequal(type, types.big) > 0) return candidate;
  }
  return std::nullopt;
}

std::vector<int64_t> space_sizes(const Hdf5Handle& object, const std::string& what, const Hdf5Handle& space) {
  const H5S_class_t kind = H5Sget_simple_extent_type(space.id());
  if (kind != H5S_SCALAR && kind != H5S_SIMPLE) object.fail(what + " has no shape");
  const int rank = object.check(H5Sget_simple_extent_ndims(space.id()), "read a shape");
  if (rank > kMaxRank) {
    object.fail(what + " has " + std::to_string(rank) + " dimensions, expected at most " +
                std::to_string(kMaxRank));
  }
  hsize_t dimensions[kMaxRank];
  object.check(H5Sget_simple_extent_dims(space.id(), dimensions, /*maxdims=*/nullptr), "read a shape");
  std::vector<int64_t> sizes;
  for (int i = 0; i < rank; ++i) {
    sizes.push_back(static_cast<int64_t>(std::min<hsize_t>(dimensions[i], hsize_t{1} << 62)));
  }
  return sizes;
}

Hdf5Handle dataset_properties(const Hdf5Handle& parent, int64_t bytes) {
  Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, parent.where(), "make HDF5 properties");
  const bool compact = bytes > 0 && bytes <= kCompactBytes;
  parent.check(H5Pset_layout(creation.id(), compact ? H5D_COMPACT : H5D_CONTIGUOUS), "set HDF5 properties");
  parent.check(H5Pset_fill_time(creation.id(), H5D_FILL_TIME_NEVER), "set HDF5 properties");
  parent.check(H5Pset_obj_track_times(creation.id(), /*track_times=*/false), "set HDF5 properties");
#if H5_VERSION_GE(1, 10, 5)  // saves a hundred bytes a dataset
  parent.check(H5Pset_dset_no_attrs_hint(creation.id(), /*minimize=*/true), "set HDF5 properties");
#endif
  return creation;
}

}  // namespace

hid_t file_type(torch::ScalarType type) { return file_types(type).little; }
hid_t memory_type(torch::ScalarType type) { return file_types(type).memory; }

std::optional<int64_t> checked_numel(torch::IntArrayRef sizes, int64_t limit) {
  int64_t bound = 1;
  int64_t numel = 1;
  for (const int64_t size : sizes) {
    if (size < 0 || std::max<int64_t>(size, 1) > limit / bound) return std::nullopt;
    bound *= std::max<int64_t>(size, 1);
    numel *= size;
  }
  return numel;
}

StoredShape checked_shape(const Hdf5Handle& object, const std::string& what, const Hdf5Handle& type,
                          const Hdf5Handle& space) {
  const std::optional<torch::ScalarType> scalar = scalar_type(type.id());
  if (!scalar) object.fail(what + " has a type other than float32, float64, int64, int32 and uint8");
  const std::vector<int64_t> sizes = space_sizes(object, what, space);
  const int64_t element = static_cast<int64_t>(c10::elementSize(*scalar));
  const std::optional<int64_t> numel = checked_numel(sizes, kMaxTensorBytes / element);
  if (!numel) object.fail(what + " is larger than 4 GiB");
  return {*scalar, sizes, *numel * element};
}

Hdf5Handle make_space(const Hdf5Handle& object, torch::IntArrayRef sizes) {
  const std::vector<hsize_t> dimensions(sizes.begin(), sizes.end());
  const hid_t id = sizes.empty() ? H5Screate(H5S_SCALAR)
                                 : H5Screate_simple(static_cast<int>(sizes.size()), dimensions.data(),
                                                    /*maxdims=*/nullptr);
  return Hdf5Handle(id, H5Sclose, object.where(), "make a shape");
}

Hdf5Handle write_dataset(const Hdf5Handle& parent, const std::string& name, const torch::Tensor& tensor) {
  const torch::Tensor values = tensor.detach().cpu().contiguous();
  const FileTypes types = file_types(values.scalar_type());
  const int64_t element = static_cast<int64_t>(values.element_size());
  if (values.dim() > kMaxRank || !checked_numel(values.sizes(), kMaxTensorBytes / element)) {
    throw std::invalid_argument("a tensor of more than 8 dimensions or 4 GiB");
  }
  const Hdf5Handle space = make_space(parent, values.sizes());
  const Hdf5Handle creation = dataset_properties(parent, values.numel() * element);
  Hdf5Handle dataset(H5Dcreate2(parent.id(), name.c_str(), types.little, space.id(), H5P_DEFAULT,
                                creation.id(), H5P_DEFAULT),
                     H5Dclose, parent.where(name), "write");
  if (values.numel() > 0) {
    dataset.check(H5Dwrite(dataset.id(), types.memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data_ptr()),
                  "write");
  }
  return dataset;
}

StoredShape inspect_dataset(const Hdf5Handle& dataset) {
  const Hdf5Handle creation(H5Dget_create_plist(dataset.id()), H5Pclose, dataset.where(), "read the layout");
  const H5D_layout_t layout = dataset.check(H5Pget_layout(creation.id()), "read the layout");
  if (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT)
    dataset.fail("is chunked or virtual, expected one piece");
  const int parts = dataset.check(H5Pget_external_count(creation.id()), "read the layout") +
                    dataset.check(H5Pget_nfilters(creation.id()), "read the layout");
  if (parts != 0) dataset.fail("is kept in external files or filtered, expected plain data in this file");
  const Hdf5Handle type(H5Dget_type(dataset.id()), H5Tclose, dataset.where(), "read the type");
  const Hdf5Handle space(H5Dget_space(dataset.id()), H5Sclose, dataset.where(), "read the shape");
  const StoredShape shape = checked_shape(dataset, "it", type, space);
  const hsize_t stored = H5Dget_storage_size(dataset.id());
  if (stored != static_cast<hsize_t>(shape.bytes)) {
    dataset.fail("holds " + std::to_string(stored) + " bytes, expected " + std::to_string(shape.bytes));
  }
  return shape;
}

torch::Tensor read_dataset(const Hdf5Handle& dataset, const StoredShape& shape) {
  const torch::Tensor values = torch::empty(shape.sizes, shape.type);
  if (shape.bytes == 0) return values;
  dataset.check(
      H5Dread(dataset.id(), memory_type(shape.type), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data_ptr()),
      "read it");
  return values;
}

}  // namespace bsq
