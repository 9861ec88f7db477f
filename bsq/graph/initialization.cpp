#include "bsq/graph/initialization.h"

#include <torch/utils.h>

#include <cmath>

#include "bsq/nn/quant_conv2d.h"

namespace bsq {

void draw_fan_out_normal(const Program& program) {
  torch::NoGradGuard no_grad;
  for (const auto& node : program.nodes()) {
    const auto* conv = std::get_if<op::Conv>(&node.operation);
    if (conv == nullptr || conv->role == LayerRole::kShortcut) {
      continue;
    }
    const auto fan_out =
        static_cast<double>(conv->window.kernel.height * conv->window.kernel.width * node.shape[0]);
    auto& layer = *conv->layer.module->as<QuantConv2dImpl>();
    layer.weight_source().value().normal_(/*mean=*/0, std::sqrt(2.0 / fan_out));
  }
}

}  // namespace bsq
