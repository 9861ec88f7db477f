#pragma once

#include <cstdint>
#include <string>

namespace bsq {

/// What an activation quantizer takes as its range at test time: the running maximum that training tracked,
/// or the maximum of the batch at hand (as the published code does).
enum class ActivationRange { kRunning, kBatch };

/// What has to be known to build a network again; stored with every checkpoint.
struct NetworkDescription {
  std::string architecture = "resnet";
  int64_t depth = 20;                     ///< layers, as the architecture counts them
  std::string block_name = "BasicBlock";  ///< BasicBlock or Bottleneck
  int64_t classes = 10;
  int64_t activation_bits = 4;  ///< 0: float activations; 1 to 3: PACT; 4 and more: ReLU6
  ActivationRange activation_range = ActivationRange::kRunning;
  bool quantize_shortcut = false;  ///< whether the 1x1 convolutions of the shortcuts can hold bits
};

/// "running" or "batch".
const char* to_string(ActivationRange range);
/// The range of that name. Throws std::invalid_argument for another name.
ActivationRange activation_range_of(const std::string& name);

}  // namespace bsq
