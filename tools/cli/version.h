#pragma once

#include <string>

namespace bsq::cli {

/// "bsq_train (bsq) 0.2.0", the versions of libtorch and HDF5, and what this CPU offers for speed.
std::string version_text(const std::string& program);

}  // namespace bsq::cli
