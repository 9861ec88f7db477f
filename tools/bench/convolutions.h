#pragma once

#include <torch/types.h>

#include <vector>

#include "tools/bench/step_variants.h"

namespace bsq::bench {

/// One convolution with the tensors that its passes read.
struct ConvolutionCall {
  torch::Tensor input, weight, output_gradient;
  int64_t stride, padding;
  bool needs_input_gradient;
};

/// Every convolution of a ResNet of basic blocks, shortcuts included, on random channels-last tensors.
std::vector<ConvolutionCall> convolutions(const StepSetting& setting, torch::ScalarType type);

/// Forward and backward of all of them.
void run_convolutions(const std::vector<ConvolutionCall>& calls);

}  // namespace bsq::bench
