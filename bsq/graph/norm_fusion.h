#pragma once

#include "bsq/graph/program.h"
#include "bsq/nn/stored_tensor.h"

namespace bsq {

/// The state of the same network without norms (kNoNorm in bsq/nn/norm_factory.h). With gain = gamma /
/// sqrt(V + eps) of the norm, R and V its running statistics, the convolution in front of it gets
///   weight: codes as they are, the scale of channel c times gain_c; a float weight times gain_c,
///   bias: beta - gain R, plus gain times its own one; float.
/// In evaluation both networks compute the same, to rounding. Where gain_c is 0, the integers become 0 and
/// the scale stays.
///
/// `program`: with modules. `state`: of its network, weights as codes (codes_of_network()) or float. Throws
/// std::invalid_argument that names the norm where it is no batch norm, where it reads something else than a
/// convolution's value and where others read that value too; and for a program without norms.
NetworkState fuse_norms(const Program& program, const NetworkState& state);

}  // namespace bsq
