#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "bsq/io/hdf5/hdf5_handle.h"
#include "bsq/io/hdf5/hdf5_text.h"

namespace bsq {

/// So many numbers of 8 bytes fit into an attribute of HDF5 1.8.
constexpr int64_t kMaxAttributeValues = 8000;

/// An integer attribute and the values it may have, the same for writing and reading.
struct IntegerField {
  const char* name;
  int64_t low;
  int64_t high;
};

/// Text as a fixed-length UTF-8 string (HDF5 checksums it; variable-length ones it does not).
/// std::invalid_argument for more than 1 MiB or a zero byte.
void write_text(const Hdf5Handle& object, const std::string& name, const std::string& text);
/// std::invalid_argument for a value out of the field's range.
void write_integer(const Hdf5Handle& object, const IntegerField& field, int64_t value);
void write_number(const Hdf5Handle& object, const std::string& name, double value);
/// A tensor of at most kMaxAttributeValues elements and one dimension.
void write_values(const Hdf5Handle& object, const std::string& name, const torch::Tensor& values);

/// These throw a bsq::Error that names the attribute, if it is missing, or of another kind, or out of range.
int64_t read_integer(const Hdf5Handle& object, const IntegerField& field);
double read_number(const Hdf5Handle& object, const std::string& name);
torch::Tensor read_values(const Hdf5Handle& object, const std::string& name);

}  // namespace bsq
