#pragma once

#include <torch/types.h>

#include "bsq/graph/program.h"

namespace bsq::test {

/// The slow, obvious form of the executor: node after node by libtorch's own functions, nothing fused,
/// autograd adds the gradients.
torch::Tensor run_plainly(const Program& program, const torch::Tensor& images);

}  // namespace bsq::test
