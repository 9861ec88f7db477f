#include "bsq/nn/fixed_bits.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <set>
#include <stdexcept>

#include "bsq/nn/master_weight.h"
#include "bsq/quant/sign_magnitude.h"

namespace bsq {
namespace {

Codes zero_codes(const torch::Tensor& weight) {
  Codes codes;
  codes.integers = torch::zeros_like(weight, weight.options().dtype(torch::kInt32).requires_grad(false));
  codes.scale = torch::zeros({}, weight.options().requires_grad(false));
  codes.format = sign_magnitude(0);
  return codes;
}

void convert(const SourceRef& ref, int64_t bits) {
  torch::NoGradGuard no_grad;
  const auto weight = ref.source().value();
  try {
    ref.set(make_frozen(bits == 0 ? zero_codes(weight) : to_codes(weight, bits)));
  } catch (const std::invalid_argument& error) {
    const std::string what = error.what();
    throw std::invalid_argument(what.rfind(ref.name, 0) == 0 ? what : ref.name + ": " + what);
  }
}

}  // namespace

void to_fixed_bits(torch::nn::Module& network, const LayerRules& rules) {
  Scheme scheme;
  for (const auto& [path, bits] : bits_of_layers(network, rules)) {
    if (bits > 0) {
      scheme[path] = {bits, bits};
    }
  }
  to_fixed_bits(network, scheme);
}

void to_fixed_bits(torch::nn::Module& network, const Scheme& scheme) {
  std::set<std::string> paths;
  for (const auto& [path, layer] : quant_layers(network)) {
    paths.insert(path);
  }
  for (const auto& [path, bits] : scheme) {
    if (paths.count(path) == 0) {
      throw std::invalid_argument("scheme: layer " + path + " is not in the network");
    }
  }
  for (const auto& ref : sources_of(network)) {
    const auto own = scheme.find(ref.name.substr(0, ref.name.rfind('.')));
    if (own != scheme.end()) {
      convert(ref, ref.is_bias ? own->second.bias : own->second.weight);
    }
  }
}

}  // namespace bsq
