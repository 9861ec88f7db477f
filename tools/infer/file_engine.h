#pragma once

#include <string>

#include "bsq/infer/engine.h"

namespace bsq::cli {

/// The engine of a file. Files of older releases do not hold their program; the code of their architecture,
/// which this program has, gives it. Throws bsq::Error.
infer::Engine engine_of(const std::string& path);

}  // namespace bsq::cli
