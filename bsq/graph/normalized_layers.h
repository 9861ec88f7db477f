#pragma once

#include <set>
#include <string>

#include "bsq/graph/program.h"
#include "bsq/nn/network.h"

namespace bsq {

/// Paths of the layers whose value batch norms alone read. In training the norm takes out the size of such a
/// layer's weight: a times W gives what W gives, for every a > 0.
std::set<std::string> normalized_layers(const Program& program);

/// The same of a network's program; none where it has no program, as nobody knows what reads a value then.
std::set<std::string> normalized_layers(const Network& network);

}  // namespace bsq
