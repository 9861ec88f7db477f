#pragma once

#include <torch/types.h>

#include <string>

#include "bsq/base/error.h"
#include "bsq/nn/network.h"
#include "bsq/nn/network_state.h"

namespace bsq {

/// Training has come to numbers that are not finite.
class DivergenceError : public Error {
 public:
  using Error::Error;
};

/// Where numbers that are not finite come from, found after the fact so that normal steps pay nothing. Where
/// parameters are not finite, the last module with one, in the network's order: gradients run backward, so
/// its was the first that was not. Else the network runs once more on the images, and the first operation
/// whose output is not finite is named, with the module that its weights belong to. Batch norm's running
/// statistics and activation ranges are changed by this.
std::string origin_of_divergence(Network& network, const torch::Tensor& images);

/// The name of the first tensor of a state that holds a number that is not finite; "": none does.
std::string first_not_finite(const NetworkState& state);

}  // namespace bsq
