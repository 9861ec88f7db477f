#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bsq/io/hdf5/hdf5_handle.h"

namespace bsq {

constexpr int kMaxRank = 8;
constexpr int64_t kMaxTensorBytes = int64_t{4} << 30;

/// How files hold float32, float64, int64, int32 and uint8: little endian, IEEE. std::invalid_argument for
/// other types.
hid_t file_type(torch::ScalarType type);
/// The same in memory.
hid_t memory_type(torch::ScalarType type);

/// Type and shape of a dataset or an attribute, checked: one of the five types in either byte order, at most
/// 8 dimensions, at most 4 GiB (a dimension of 0 counted as 1).
struct StoredShape {
  torch::ScalarType type;
  std::vector<int64_t> sizes;
  int64_t bytes;  ///< of all elements, as stored and as read
};

/// Checks what H5Dget_type and H5Dget_space (or H5A...) gave for `what` ("it", "the attribute scale") of the
/// object. Throws bsq::Error.
StoredShape checked_shape(const Hdf5Handle& object, const std::string& what, const Hdf5Handle& type,
                          const Hdf5Handle& space);

/// The product of the sizes, or nothing if a size is negative or the product, with 0 counted as 1, is above
/// `limit`.
std::optional<int64_t> checked_numel(torch::IntArrayRef sizes, int64_t limit);

/// A dataspace of these sizes; no sizes: one element.
Hdf5Handle make_space(const Hdf5Handle& object, torch::IntArrayRef sizes);

/// Writes a tensor as a dataset, in the object's own header if it is small, else in one piece. The dataset
/// stays open for attributes; close() it. std::invalid_argument for a type that files do not hold, and for a
/// tensor that is too large.
Hdf5Handle write_dataset(const Hdf5Handle& parent, const std::string& name, const torch::Tensor& tensor);

/// Checks a dataset before any of it is read: checked_shape, and that its data lie in this file, whole, in
/// one piece and unfiltered. Throws bsq::Error.
StoredShape inspect_dataset(const Hdf5Handle& dataset);

/// Reads a dataset that inspect_dataset has passed. Throws bsq::Error.
torch::Tensor read_dataset(const Hdf5Handle& dataset, const StoredShape& shape);

}  // namespace bsq
