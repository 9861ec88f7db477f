#pragma once

#include <memory>

#include "bsq/nn/network.h"

namespace bsq::cli {

/// A network without norms that computes what this one computes in evaluation, to rounding: fuse_norms() of
/// its codes. Throws std::invalid_argument for a network without bits, for one whose forward() is written by
/// hand, and what fuse_norms() throws.
std::shared_ptr<Network> fused_network(Network& network);

}  // namespace bsq::cli
