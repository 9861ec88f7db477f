#pragma once

#include <memory>
#include <string>

#include "bsq/infer/engine.h"
#include "bsq/nn/network.h"

namespace bsq::cli {

/// The network of a file of ours, in evaluation mode. Throws bsq::Error.
std::shared_ptr<Network> stored_network(const std::string& path);

/// The engine of a file. Files of older releases do not hold their program; the code of their architecture,
/// which this program has, gives it. Throws bsq::Error.
infer::Engine engine_of(const std::string& path);

}  // namespace bsq::cli
