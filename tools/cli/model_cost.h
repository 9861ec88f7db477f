#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bsq/graph/cost.h"
#include "bsq/io/run_summary.h"
#include "bsq/nn/network_description.h"
#include "bsq/quant/accounting.h"

namespace bsq::cli {

/// Multiply-accumulates and bit operations of a described network whose weights have these bits. Nothing
/// where the architecture is unknown to this program or has no program.
std::optional<NetworkCost> model_cost(const NetworkDescription& description,
                                      const std::vector<TensorBits>& tensors);

/// Takes what take_model() takes, and the cost.
void take_model_and_cost(RunSummary& summary, const Checkpoint& model);

}  // namespace bsq::cli
