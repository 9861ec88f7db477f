#pragma once

#include <cstdint>
#include <string>

#include "bsq/io/hdf5/hdf5_handle.h"

namespace bsq {

constexpr int64_t kMaxTextBytes = int64_t{1} << 20;

bool has_attribute(const Hdf5Handle& object, const std::string& name);
/// Throws a bsq::Error that names the attribute if it is missing.
Hdf5Handle open_attribute(const Hdf5Handle& object, const std::string& name);
/// The same if it is missing, not one fixed-length string, or longer than kMaxTextBytes.
std::string read_text(const Hdf5Handle& object, const std::string& name);

}  // namespace bsq
