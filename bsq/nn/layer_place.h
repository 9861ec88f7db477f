#pragma once

#include <string>

namespace bsq {

/// What a layer of weights is to its network. Methods decide by it what they quantize.
enum class LayerRole {
  kInner,    ///< any other layer
  kFirst,    ///< it reads the image
  kLast,     ///< it makes the network's output
  kShortcut  ///< the projection beside a residual block
};

/// Where a layer stands: its module's path ("layer1.0.conv1") and its role.
struct LayerPlace {
  std::string path;
  LayerRole role = LayerRole::kInner;
};

}  // namespace bsq
