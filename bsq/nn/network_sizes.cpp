#include "bsq/nn/network_sizes.h"

#include "bsq/methods/bsq/reconstruction.h"

namespace bsq {

torch::Tensor value_of(const Codes& codes) {
  return codes.scale.to(torch::kFloat64) * codes.integers.to(torch::kFloat64) /
         static_cast<double>(codes.format.levels);
}

std::vector<std::pair<std::string, Codes>> codes_of(const NetworkState& state) {
  std::vector<std::pair<std::string, Codes>> all;
  for (const auto& [name, stored] : state) {
    if (stored.encoding == Encoding::kFloat) continue;
    auto integers = stored.value;
    const int64_t levels = (int64_t{1} << stored.bits) - 1;
    if (stored.encoding == Encoding::kPlanes) {
      integers = round_value(plane_value(stored.positive, stored.negative), stored.bits).mul(levels).round();
    } else if (stored.encoding == Encoding::kFrozen) {
      integers = round_value(stored.value, stored.bits).mul(levels).round();
    }
    integers = integers.to(torch::kInt32);
    const bool is_zero = integers.eq(0).all().item<bool>();
    const int64_t bits = is_zero ? 0 : stored.bits;
    all.emplace_back(name, Codes{integers, stored.scale, {bits, is_zero ? 1 : levels, -levels, true}});
  }
  return all;
}

std::vector<TensorBits> tensor_bits(const NetworkState& network) {
  std::vector<TensorBits> tensors;
  for (const auto& [name, codes] : codes_of(network)) {
    tensors.push_back({name, codes.integers.sizes().vec(), codes.integers.numel(), codes.format.bits, true, 1});
  }
  return tensors;
}

Sizes sizes_of(const NetworkState& network) {
  int64_t floats = 0;
  for (const auto& [name, stored] : network) {
    floats += stored.encoding == Encoding::kFloat && stored.value.is_floating_point() ? stored.value.numel() : 0;
  }
  return count_sizes(tensor_bits(network), floats);
}

}  // namespace bsq
