#include "bsq/methods/bsq/network_planes.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "bsq/methods/bsq/conversion.h"
#include "bsq/methods/bsq/penalty.h"
#include "bsq/methods/bsq/precision_adjustment.h"
#include "bsq/methods/bsq/real_planes.h"
#include "bsq/methods/bsq/requantization.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

void set_planes(const SourceRef& ref, const std::function<BitPlanes()>& make) {
  try {
    ref.set(std::make_unique<PlaneWeight>(make()));
  } catch (const std::invalid_argument& error) {
    const std::string what = error.what();
    throw std::invalid_argument(what.rfind(ref.name, 0) == 0 ? what : ref.name + ": " + what);
  }
}

BitPlanes planes_of_codes(Codes codes) {
  make_scale_positive(codes);
  const int64_t bits = std::max(codes.format.bits, kMinBits);
  if (codes.format.has_sign_bit || codes.format.bits == 0) {
    return planes_of(codes.integers, bits, codes.scale);
  }
  return to_bit_planes(value_of(codes), bits);
}

void change_planes(torch::nn::Module& network, const std::function<BitPlanes(const BitPlanes&)>& change) {
  for (const auto& ref : coded_sources(network)) {
    if (const auto* weight = dynamic_cast<const PlaneWeight*>(&ref.source())) {
      set_planes(ref, [&] { return change(weight->planes()); });
    }
  }
}

}  // namespace

std::vector<std::pair<std::string, PlaneWeight*>> plane_weights(torch::nn::Module& network) {
  std::vector<std::pair<std::string, PlaneWeight*>> weights;
  for (const auto& ref : coded_sources(network)) {
    if (auto* weight = dynamic_cast<PlaneWeight*>(&ref.source())) {
      weights.emplace_back(ref.name, weight);
    }
  }
  return weights;
}

void to_bits(torch::nn::Module& network, const LayerRules& rules) {
  if (!is_float(network)) {
    throw std::logic_error("to_bits: the network holds bits; expected a float one");
  }
  const auto bits = bits_of_layers(network, rules);
  for (const auto& ref : sources_of(network)) {
    const auto own = bits.find(ref.name.substr(0, ref.name.rfind('.')));
    if (own != bits.end() && own->second > 0) {
      set_planes(ref, [&] { return to_bit_planes(ref.source().value(), own->second); });
    }
  }
}

void to_planes(torch::nn::Module& network) {
  torch::NoGradGuard no_grad;
  for (const auto& ref : coded_sources(network)) {
    if (dynamic_cast<const PlaneWeight*>(&ref.source()) == nullptr) {
      set_planes(ref, [&] { return planes_of_codes(*ref.source().codes()); });
    }
  }
}

void requantize_network(torch::nn::Module& network, int64_t max_bits) {
  change_planes(network, [&](const BitPlanes& planes) { return requantize(planes, max_bits); });
}

void adjust_network(torch::nn::Module& network, double threshold_percent) {
  change_planes(network,
                [&](const BitPlanes& planes) { return adjust_precision(planes, threshold_percent); });
}

void adjust_real_network(torch::nn::Module& network, int64_t max_bits, double threshold_percent) {
  for (const auto& ref : coded_sources(network)) {
    if (const auto* weight = dynamic_cast<const PlaneWeight*>(&ref.source())) {
      const auto& planes = weight->planes();
      set_planes(ref, [&] {
        const auto kept = planes.bits() < max_bits ? widened_if_needed(planes) : renewed(planes);
        return ref.is_bias ? kept : adjust_real(kept, threshold_percent);
      });
    }
  }
}

void empty_zero_weights(torch::nn::Module& network) {
  change_planes(network, [&](const BitPlanes& planes) {
    const auto integers = requantize(planes, /*max_bits=*/0);
    return is_all_zero(integers) ? integers : planes;
  });
}

void round_network(torch::nn::Module& network) {
  change_planes(network, [&](const BitPlanes& planes) {
    return adjust_precision(requantize(planes, /*max_bits=*/0), /*threshold_percent=*/0);
  });
}

torch::Tensor network_penalty(torch::nn::Module& network) {
  const auto weights = plane_weights(network);
  int64_t all_weights = 0;
  for (const auto& [name, weight] : weights) {
    all_weights += weight->numel();
  }
  auto sum = torch::zeros({});
  for (const auto& [name, weight] : weights) {
    const auto& planes = weight->planes();
    sum = sum + group_lasso(planes.positive, planes.negative) *
                    penalty_factor(weight->numel(), weight->bits(), all_weights);
  }
  return sum;
}

}  // namespace bsq
