#pragma once

#include <torch/nn/modules/batchnorm.h>

#include <memory>
#include <string>
#include <vector>

#include "bsq/graph/program.h"
#include "bsq/nn/quant_conv2d.h"

namespace bsq {

/// A batch norm, and the convolution whose value it alone reads.
struct ConvNorm {
  std::string layer_path, norm_path;
  std::shared_ptr<QuantConv2dImpl> layer;
  std::shared_ptr<torch::nn::BatchNorm2dImpl> norm;
};

/// Every norm of a program with modules, in its order. Throws std::invalid_argument that names the norm where
/// it is no batch norm, where it reads something else than a convolution's value and where others read that
/// value too; and for a program without norms.
std::vector<ConvNorm> conv_norms(const Program& program);
/// The same without those that it refuses; may be empty.
std::vector<ConvNorm> foldable_norms(const Program& program);

}  // namespace bsq
