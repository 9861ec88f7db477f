#include "bsq/methods/hysteresis/loop_optimizer.h"

#include "bsq/methods/hysteresis/hysteresis_quantizer.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"

namespace bsq {

LoopOptimizer::LoopOptimizer(torch::nn::Module& network, const SgdOptions& options,
                             const LoopThreshold& threshold)
    : threshold_(threshold), alphas_(network), rest_(network, options, /*without=*/alphas_.names()) {
  for (const auto& ref : coded_sources(network)) {
    const auto* weight = dynamic_cast<const MasterWeight*>(&ref.source());
    const auto* quantizer =
        weight == nullptr ? nullptr : dynamic_cast<const HysteresisQuantizer*>(weight->quantizer());
    if (quantizer != nullptr) {
      layers_.push_back({weight->tensor(), quantizer->signs()});
    }
  }
}

void LoopOptimizer::zero_grad() {
  rest_.zero_grad();
  alphas_.zero_grad();
}

void LoopOptimizer::step(double learning_rate) {
  rest_.step(learning_rate);
  alphas_.step();
  for (auto& layer : layers_) {
    follow(layer.signs, layer.hidden, threshold_);
  }
}

}  // namespace bsq
