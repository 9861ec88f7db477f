#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bsq {

/// A pattern of layer paths, and the width of the layers that it matches.
using LayerRule = std::pair<std::string, int64_t>;

/// How a network is converted. Patterns are shell globs (`*`, `?`, `[ab]`) that have to match a layer's whole
/// path; `*` matches dots too, so that `layer1.*` is everything below layer1.
struct ToBitsOptions {
  explicit ToBitsOptions(int64_t bits) : bits_(bits) {}
  /// Width of the layers that no rule names.
  TORCH_ARG(int64_t, bits);
  /// Widths of layers, weight and bias alike; of several rules that match a layer the last one counts.
  TORCH_ARG(std::vector<LayerRule>, layer_bits);
  /// Layers that stay float, whatever layer_bits says of them.
  TORCH_ARG(std::vector<std::string>, keep_float);
};

/// The width that each bit-capable layer of the module gets, 0 for those that stay float. Throws
/// std::invalid_argument for a width outside 1 to 16, a pattern that matches no layer or stands twice in its
/// list, and where no layer is left to convert.
std::map<std::string, int64_t> layer_widths(torch::nn::Module& network, const ToBitsOptions& options);

/// Converts the bit-capable layers of a float module tree in place. Those that stay float are trained as
/// float parameters from then on: the penalty, re-quantization and precision adjustment pass over them,
/// `comp` leaves them out and `comp_stored` counts 32 bits for each of their weights. Throws what
/// layer_widths throws before anything is changed, std::invalid_argument for weights that are not finite, and
/// std::logic_error where a layer is not float.
void to_bits(torch::nn::Module& network, const ToBitsOptions& options);

}  // namespace bsq
