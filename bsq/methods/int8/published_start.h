#pragma once

#include "bsq/nn/network.h"

namespace bsq {

/// The start of the published code, over the network's own: gain 0 in the last norm of each residual block,
/// so that a block begins as its shortcut; the last layer's weight drawn from N(0, 0.01), its bias 0. The
/// last norm of a block is, of the norms that a sum reads, the one with most layers of weights before it.
/// Throws std::invalid_argument for a network without a program, and for one that is not float.
void take_published_start(Network& network);

}  // namespace bsq
