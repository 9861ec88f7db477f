#pragma once

#include <c10/core/ScalarType.h>

#include <string>

namespace bsq {

/// PyTorch's name of an element type: "float32", "int8", "bool", "complex64"; libtorch's own word for the
/// rest.
std::string type_name(c10::ScalarType type);

}  // namespace bsq
