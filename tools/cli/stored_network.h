#pragma once

#include <memory>
#include <string>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/network.h"

namespace bsq::cli {

/// The network of a file that was read from `path`, as it is evaluated. Throws bsq::Error that names the path
/// for a file that does not fit its own description.
std::shared_ptr<Network> stored_network(const std::string& path, const Checkpoint& file);

}  // namespace bsq::cli
