#pragma once

#include <vector>

#include "bsq/graph/conv_norms.h"
#include "bsq/graph/program.h"
#include "bsq/nn/stored_tensor.h"

namespace bsq {

/// The state of the same network without norms (kNoNorm in bsq/nn/norm_factory.h). With gain = gamma /
/// sqrt(V + eps) of the norm, R and V its running statistics, the convolution in front of it gets
///   weight: codes as they are, the scale of channel c times gain_c; a float weight times gain_c,
///   bias: beta - gain R, plus gain times its own one; float.
/// In evaluation both networks compute the same, to rounding. Where gain_c is 0, the integers become 0 and
/// the scale stays. Where the scales of all channels come to one number, but for rounding in float32, they
/// become one number: so of a weight that was trained with the gain folded in (bsq/nn/folded_weight.h).
///
/// `program`: with modules. `state`: of its network, weights as codes (codes_of_network()) or float. Throws
/// what conv_norms() throws.
NetworkState fuse_norms(const Program& program, const NetworkState& state);
/// The same of these norms alone, with modules; the others stay.
NetworkState fuse_norms(const std::vector<ConvNorm>& pairs, const NetworkState& state);

}  // namespace bsq
