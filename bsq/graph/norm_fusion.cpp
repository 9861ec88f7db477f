#include "bsq/graph/norm_fusion.h"

#include <torch/nn/modules/batchnorm.h>
#include <torch/utils.h>

#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "bsq/graph/conv_norms.h"
#include "bsq/quant/codes.h"

namespace bsq {
namespace {

/// What a batch norm does in evaluation: y = gain x + shift, channel by channel, float64.
struct ChannelMap {
  torch::Tensor gain, shift;
};

ChannelMap map_of(const torch::nn::BatchNorm2dImpl& norm) {
  const auto exact = [](const torch::Tensor& tensor) { return tensor.detach().cpu().to(torch::kFloat64); };
  const auto gain = exact(norm.weight) / (exact(norm.running_var) + norm.options.eps()).sqrt();
  return {gain, exact(norm.bias) - exact(norm.running_mean) * gain};
}

/// What is to be done to a state, by names.
struct Fusion {
  std::map<std::string, ChannelMap> maps;  ///< by the convolution's path
  std::set<std::string> norms;             ///< paths
};

Fusion fusion_of(const std::vector<ConvNorm>& pairs) {
  Fusion fusion;
  for (const auto& pair : pairs) {
    fusion.maps[pair.layer_path] = map_of(*pair.norm);
    fusion.norms.insert(pair.norm_path);
  }
  return fusion;
}

// One number where those of all channels differ by rounding alone, as with a weight that was trained with the
// gain folded in.
torch::Tensor least_scale(const torch::Tensor& scale) {
  const auto first = scale[0];
  const double roundings = 4 * std::numeric_limits<float>::epsilon();
  const bool is_one = (scale - first).abs().le(first.abs() * roundings).all().item<bool>();
  return is_one ? first.clone() : scale;
}

StoredTensor fused_codes(StoredTensor stored, const ChannelMap& map) {
  if (stored.offset.defined()) {
    throw std::invalid_argument("a weight with an offset; expected a grid around 0");
  }
  if (stored.format.bits == 0) {
    return stored;
  }
  const auto is_dead = map.gain.eq(0);
  const auto own = stored.scale.to(torch::kFloat64).expand_as(map.gain);
  stored.scale = least_scale(torch::where(is_dead, own, own * map.gain)).to(stored.scale.scalar_type());
  stored.value = stored.value * along_channels(is_dead.logical_not(), stored.value).to(torch::kInt32);
  return stored;
}

StoredTensor fused_weight(StoredTensor stored, const ChannelMap& map) {
  if (stored.encoding == Encoding::kCodes) {
    return fused_codes(std::move(stored), map);
  }
  if (stored.encoding != Encoding::kFloat) {
    throw std::invalid_argument("a weight in training; expected codes");
  }
  const auto exact = stored.value.to(torch::kFloat64);
  stored.value = (exact * along_channels(map.gain, exact)).to(stored.value.scalar_type());
  return stored;
}

torch::Tensor exact_value(const StoredTensor& stored) {
  if (stored.encoding == Encoding::kFloat) {
    return stored.value.to(torch::kFloat64);
  }
  Codes codes;
  codes.integers = stored.value;
  codes.scale = stored.scale;
  codes.format = stored.format;
  return value_of(codes).to(torch::kFloat64);
}

// `own`: the layer's bias; null for a layer that had none.
StoredTensor fused_bias(const StoredTensor* own, const ChannelMap& map, torch::ScalarType type) {
  StoredTensor stored;
  const auto bias = own == nullptr ? map.shift : map.shift + map.gain * exact_value(*own);
  stored.value = bias.to(type);
  return stored;
}

const StoredTensor* entry_of(const NetworkState& state, const std::string& name) {
  for (const auto& [own, stored] : state) {
    if (own == name) {
      return &stored;
    }
  }
  return nullptr;
}

}  // namespace

NetworkState fuse_norms(const Program& program, const NetworkState& state) {
  return fuse_norms(conv_norms(program), state);
}

NetworkState fuse_norms(const std::vector<ConvNorm>& pairs, const NetworkState& state) {
  torch::NoGradGuard no_grad;
  const auto fusion = fusion_of(pairs);
  NetworkState fused;
  for (const auto& [name, stored] : state) {
    const auto path = name.substr(0, name.rfind('.'));
    const auto map = fusion.maps.find(path);
    if (map != fusion.maps.end() && name == path + ".weight") {
      fused.emplace_back(name, fused_weight(stored, map->second));
      fused.emplace_back(path + ".bias",
                         fused_bias(entry_of(state, path + ".bias"), map->second, stored.type()));
    } else if (map == fusion.maps.end() && fusion.norms.count(path) == 0) {
      fused.emplace_back(name, stored);
    }
  }
  return fused;
}

}  // namespace bsq
