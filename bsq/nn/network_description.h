#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bsq {

/// What an activation quantizer takes as its range at test time: the running maximum that training tracked,
/// or the maximum of the batch at hand (as the published code does).
enum class ActivationRange { kRunning, kBatch };

/// Where a network's quantized activations stand.
enum class ActivationPlace {
  /// Where the network's flow has an activation.
  kOutput,
  /// In front of every layer of weights except those that read the image: each layer has its own,
  /// "NAME_input".
  /// The flow's activations are ReLU.
  kInput,
  /// The same, but layers that read one value share the first one's.
  kSharedInput,
  /// As kInput, in front of the layers that read the image too.
  kEveryInput,
  /// As kSharedInput, but the layers that make the output have none.
  kInnerSharedInput,
};

/// What has to be known to build a network again; stored with every checkpoint.
struct NetworkDescription {
  std::string architecture = "resnet";
  /// The architecture's own options, text by name: {"depth", "20"}. What is missing has its default.
  std::map<std::string, std::string> options;
  int64_t classes = 10;
  /// Of the images that it takes, in pixels. Maps and multiply-accumulates are counted for them.
  int64_t image_height = 32, image_width = 32;
  /// The kind of quantized activation (bsq/nn/activation_factory.h).
  std::string activation = "uniform";
  int64_t activation_bits = 4;  ///< 0: float activations. uniform: 1 to 3 PACT, 4 and more ReLU6
  ActivationRange activation_range = ActivationRange::kRunning;
  ActivationPlace activation_place = ActivationPlace::kOutput;
  /// Bit widths of the activations whose whole path a shell glob matches ("layer1.*"); of several that match,
  /// the last one counts. 0: float.
  std::vector<std::pair<std::string, int64_t>> activation_rules;
  /// The kind of norm (bsq/nn/norm_factory.h); "none": they are in the scales and biases of the layers.
  std::string norm = "batch";

  bool operator==(const NetworkDescription& other) const;
  bool operator!=(const NetworkDescription& other) const { return !(*this == other); }
};

/// The bit width of the activation at a path.
int64_t activation_bits_at(const NetworkDescription& description, const std::string& path);

/// "running" or "batch".
const char* to_string(ActivationRange range);
/// The range of that name. Throws std::invalid_argument for another name.
ActivationRange activation_range_of(const std::string& name);

/// "output", "input", "shared-input", "every-input" or "inner-shared-input".
const char* to_string(ActivationPlace place);
/// The place of that name. Throws std::invalid_argument for another name.
ActivationPlace activation_place_of(const std::string& name);

}  // namespace bsq
