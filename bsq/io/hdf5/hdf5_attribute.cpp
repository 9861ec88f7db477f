#include "bsq/io/hdf5/hdf5_attribute.h"

#include <algorithm>
#include <stdexcept>

#include "bsq/io/hdf5/hdf5_tensor.h"

namespace bsq {
namespace {

std::string label(const std::string& name) { return "the attribute " + name; }

void write_attribute(const Hdf5Handle& object, const std::string& name, const Hdf5Handle& space, hid_t stored,
                     hid_t given, const void* data) {
  Hdf5Handle attribute(H5Acreate2(object.id(), name.c_str(), stored, space.id(), H5P_DEFAULT, H5P_DEFAULT),
                       H5Aclose, object.where(), "write " + label(name));
  attribute.check(H5Awrite(attribute.id(), given, data), "write an attribute");
  attribute.close();
}

Hdf5Handle text_type(const Hdf5Handle& object, size_t bytes) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose, object.where(), "make a type");
  object.check(H5Tset_size(type.id(), bytes), "make a type");
  object.check(H5Tset_strpad(type.id(), H5T_STR_NULLPAD), "make a type");
  object.check(H5Tset_cset(type.id(), H5T_CSET_UTF8), "make a type");
  return type;
}

}  // namespace

void write_text(const Hdf5Handle& object, const std::string& name, const std::string& text) {
  if (static_cast<int64_t>(text.size()) > kMaxTextBytes || text.find('\0') != std::string::npos) {
    throw std::invalid_argument(object.where() + ": the text for " + label(name) +
                                " is longer than 1 MiB or has a zero byte");
  }
  const Hdf5Handle type = text_type(object, std::max<size_t>(text.size(), 1));
  write_attribute(object, name, make_space(object, {}), type.id(), type.id(), text.c_str());
}

void write_integer(const Hdf5Handle& object, const IntegerField& field, int64_t value) {
  if (value < field.low || value > field.high) {
    throw std::invalid_argument(object.where() + ": " + label(field.name) + " would be " +
                                std::to_string(value) + ", expected " + std::to_string(field.low) + " to " +
                                std::to_string(field.high));
  }
  write_values(object, field.name, torch::tensor(value, torch::kInt64));
}

void write_number(const Hdf5Handle& object, const std::string& name, double value) {
  write_values(object, name, torch::tensor(value, torch::kFloat64));
}

void write_values(const Hdf5Handle& object, const std::string& name, const torch::Tensor& values) {
  const torch::Tensor data = values.detach().cpu().contiguous();
  if (data.dim() > 1 || data.numel() > kMaxAttributeValues)
    throw std::invalid_argument(label(name) + " would be too large");
  const Hdf5Handle space = make_space(object, data.sizes());
  const torch::Tensor some = data.numel() > 0 ? data : torch::zeros({1}, data.options());
  write_attribute(object, name, space, file_type(data.scalar_type()), memory_type(data.scalar_type()),
                  some.data_ptr());
}

int64_t read_integer(const Hdf5Handle& object, const IntegerField& field) {
  const torch::Tensor value = read_values(object, field.name);
  if (value.numel() != 1 || value.is_floating_point()) object.fail(label(field.name) + " is not one integer");
  const int64_t integer = value.item<int64_t>();
  if (integer < field.low || integer > field.high) {
    object.fail(label(field.name) + " is " + std::to_string(integer) + ", expected " +
                std::to_string(field.low) + " to " + std::to_string(field.high));
  }
  return integer;
}

double read_number(const Hdf5Handle& object, const std::string& name) {
  const torch::Tensor value = read_values(object, name);
  if (value.numel() != 1 || !value.is_floating_point())
    object.fail(label(name) + " is not one floating-point number");
  return value.item<double>();
}

torch::Tensor read_values(const Hdf5Handle& object, const std::string& name) {
  const Hdf5Handle attribute = open_attribute(object, name);
  const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose, object.where(), "read a type");
  const Hdf5Handle space(H5Aget_space(attribute.id()), H5Sclose, object.where(), "read a shape");
  const StoredShape shape = checked_shape(object, label(name), type, space);
  const int64_t numel = *checked_numel(shape.sizes, kMaxTensorBytes);
  if (shape.sizes.size() > 1 || numel > kMaxAttributeValues)
    object.fail(label(name) + " has more than one dimension or 8000 values");
  const torch::Tensor values = torch::empty(shape.sizes, shape.type);
  if (numel == 0) return values;
  attribute.check(H5Aread(attribute.id(), memory_type(shape.type), values.data_ptr()), "read an attribute");
  return values;
}

}  // namespace bsq
