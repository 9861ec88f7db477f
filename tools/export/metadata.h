#pragma once

#include <map>
#include <string>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/network.h"

namespace bsq::cli {

/// What an exported file says of its model, text by name (docs/export.md). `origin`: of the model's file.
std::map<std::string, std::string> export_metadata(Network& network, const Checkpoint& origin);

}  // namespace bsq::cli
