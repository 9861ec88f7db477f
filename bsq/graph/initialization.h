#pragma once

#include "bsq/graph/program.h"

namespace bsq {

/// Draws the float weights of every convolution but the shortcuts' from N(0, sqrt(2 / (k k out))), k the
/// kernel and out the output channels, in the program's order: He et al. (2015), fan-out, as the published
/// BSQ code does. The other layers keep libtorch's initialization.
void draw_fan_out_normal(const Program& program);

}  // namespace bsq
