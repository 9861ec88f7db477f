#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bsq::bench {

/// What is trained, and how large a step is.
struct StepSetting {
  int64_t depth = 20;
  int64_t bits = 8;
  int64_t activation_bits = 4;
  int64_t batch = 128;
  std::string device = "cpu";
};

/// Names of what can be timed: "float/fp32", "naive/fp32", "fast/fp32", "int8/fp32", "convolutions/fp32",
/// "evaluate_naive/fp32", "evaluate_fast/fp32", and the same with bf16.
///
/// float: this toolkit's own float training, its activations quantized like those of the others. naive:
/// tests/naive, contiguous images, as published. fast: what bsq_train does. int8: the method int8, at 8-bit
/// activations. convolutions: every convolution of the network forward and backward and nothing else, with
/// channels-last tensors. evaluate_*: one batch of images through a network in bits.
std::vector<std::string> step_variants();

/// A function that does one step of a variant, all of it: on a GPU it returns when that has finished. Throws
/// std::invalid_argument for an unknown variant.
std::function<void()> make_step(const std::string& variant, const StepSetting& setting);

}  // namespace bsq::bench
