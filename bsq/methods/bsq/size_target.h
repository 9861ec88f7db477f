#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "bsq/quant/accounting.h"

namespace bsq {

/// The size that a run is to arrive at.
struct SizeTarget {
  enum class Measure {
    kComp,       ///< 32 weights / bits, signs not counted
    kStored,     ///< comp_stored
    kKilobytes,  ///< of the stored network, 1000 bytes each
  };
  Measure measure = Measure::kComp;
  double value = 0;  ///< above 0

  /// How many times larger than wanted a network of these sizes is: 1 at the target.
  double excess(const Sizes& sizes) const;
};

/// What fit_to_size() did.
struct SizeFit {
  double excess = 1;    ///< that is left
  int64_t dropped = 0;  ///< planes, those of weights that became 0 bits included
};

/// Drops planes of a network until it is at most `excess` times as large as the target says: first those
/// whose loss harms least for the bits that it saves. A weight in n bits can lose its least significant plane
/// (values are rounded to the coarser grid), its most significant one (values saturate), or, with one plane
/// left, all of it: then it is 0. The harm is estimated by sensitivity |W - a W'|^2, a the best factor: the
/// second-order term of the loss with the squared gradient in place of the Hessian (Fisher). Layers that are
/// first or last keep one plane, biases all of theirs. No plane is dropped that would take the network more
/// than `kOvershoot` below the target, where another one would not. `sensitivities`: PlaneRule's.
SizeFit fit_to_size(torch::nn::Module& network, const SizeTarget& target, double excess,
                    const std::map<std::string, torch::Tensor>& sensitivities);
constexpr double kOvershoot = 0.01;

}  // namespace bsq
