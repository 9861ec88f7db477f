#include "bsq/io/hdf5/hdf5_text.h"

namespace bsq {
namespace {

std::string label(const std::string& name) { return "the attribute " + name; }

/// The bytes of a text attribute once its type and shape are known to be right.
size_t text_bytes(const Hdf5Handle& object, const std::string& name, const Hdf5Handle& attribute,
                  const Hdf5Handle& type) {
  const Hdf5Handle space(H5Aget_space(attribute.id()), H5Sclose, object.where(), "read a shape");
  const bool fixed = H5Tget_class(type.id()) == H5T_STRING && H5Tis_variable_str(type.id()) == 0;
  if (!fixed || H5Sget_simple_extent_npoints(space.id()) != 1) {
    object.fail(label(name) + " is not one fixed-length string");
  }
  const size_t bytes = H5Tget_size(type.id());
  if (bytes == 0 || bytes > static_cast<size_t>(kMaxTextBytes)) {
    object.fail(label(name) + " is " + std::to_string(bytes) + " bytes long, expected at most 1 MiB");
  }
  return bytes;
}

}  // namespace

Hdf5Handle open_attribute(const Hdf5Handle& object, const std::string& name) {
  if (!has_attribute(object, name)) object.fail(label(name) + " is missing");
  return Hdf5Handle(H5Aopen(object.id(), name.c_str(), H5P_DEFAULT), H5Aclose, object.where(),
                    "read " + label(name));
}

bool has_attribute(const Hdf5Handle& object, const std::string& name) {
  return object.check(H5Aexists(object.id(), name.c_str()), "look for an attribute") > 0;
}

std::string read_text(const Hdf5Handle& object, const std::string& name) {
  const Hdf5Handle attribute = open_attribute(object, name);
  const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose, object.where(), "read a type");
  std::string text(text_bytes(object, name, attribute, type), '\0');
  attribute.check(H5Aread(attribute.id(), type.id(), text.data()), "read an attribute");
  text.erase(text.find_last_not_of('\0') + 1);
  if (text.find('\0') != std::string::npos) object.fail(label(name) + " has a zero byte");
  return text;
}

}  // namespace bsq
