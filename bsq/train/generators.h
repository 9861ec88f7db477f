#pragma once

#include <torch/types.h>

#include <map>
#include <string>

namespace bsq {

/// The states of libtorch's default random generators that a network on this device may draw from (dropout),
/// uint8, by the names of their devices: "cpu" and, on a GPU, "cuda".
std::map<std::string, torch::Tensor> generator_states(torch::Device device);

/// Sets those of them that are there. Throws bsq::Error for a state that is not one of this libtorch's.
void set_generator_states(torch::Device device, const std::map<std::string, torch::Tensor>& states);

}  // namespace bsq
