#pragma once

#include <cstdint>

#include "bsq/graph/builder.h"

namespace bsq::test {

/// A small random flow: convolutions with strides and groups, norms, activations, sums, joined and pooled
/// values, most of them read more than once. The same seed gives the same flow.
Flow random_flow(uint64_t seed);

}  // namespace bsq::test
