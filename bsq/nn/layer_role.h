#pragma once

namespace bsq {

/// What a layer of weights is to its network. Methods decide by it what they quantize.
enum class LayerRole {
  kInner,    ///< any other layer
  kFirst,    ///< it reads the image
  kLast,     ///< it makes the network's output
  kShortcut  ///< the projection beside a residual block
};

}  // namespace bsq
