#pragma once

#include <vector>

#include "bsq/infer/plan.h"

namespace bsq::infer {

/// Computes a plan by plain loops: what the fast engine is held to, number by number.
///
/// image: normalized, (channels, height, width). Gives the logits.
std::vector<float> run_reference(const Plan& plan, const std::vector<float>& image);

}  // namespace bsq::infer
