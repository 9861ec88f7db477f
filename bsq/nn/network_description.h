#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace bsq {

/// What an activation quantizer takes as its range at test time: the running maximum that training tracked,
/// or the maximum of the batch at hand (as the published code does).
enum class ActivationRange { kRunning, kBatch };

/// What has to be known to build a network again; stored with every checkpoint.
struct NetworkDescription {
  std::string architecture = "resnet";
  /// The architecture's own options, text by name: {"depth", "20"}. What is missing has its default.
  std::map<std::string, std::string> options;
  int64_t classes = 10;
  /// The kind of quantized activation (bsq/nn/activation_factory.h).
  std::string activation = "uniform";
  int64_t activation_bits = 4;  ///< 0: float activations. uniform: 1 to 3 PACT, 4 and more ReLU6
  ActivationRange activation_range = ActivationRange::kRunning;
};

/// "running" or "batch".
const char* to_string(ActivationRange range);
/// The range of that name. Throws std::invalid_argument for another name.
ActivationRange activation_range_of(const std::string& name);

}  // namespace bsq
