#pragma once

#include <string>

#include "bsq/nn/network.h"

namespace bsq {

/// A network's program as JSON, for readers without the code of its architecture; checkpoints/README.md
/// describes it. "" for a network whose forward() is written by hand. Activations stand there with what they
/// compute now (Activation::rule()).
std::string program_text(const Network& network);

}  // namespace bsq
