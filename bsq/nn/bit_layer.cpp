#include "bsq/nn/bit_layer.h"

#include <ostream>

namespace bsq {
namespace {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

void append(NamedTensors& tensors, const BitParameter& parameter, const std::string& noun,
            const std::string& scale) {
  if (parameter.representation() == Representation::kBits) {
    tensors.emplace_back("p" + noun, parameter.planes().positive);
    tensors.emplace_back("n" + noun, parameter.planes().negative);
  } else {
    tensors.emplace_back(noun, parameter.weight());
  }
  if (parameter.representation() != Representation::kFloat) {
    tensors.emplace_back(scale, parameter.scale());
  }
}

}  // namespace

BitLayer::BitLayer(torch::Tensor weight, const torch::Tensor& bias) : weight_bits_(std::move(weight)) {
  if (bias.defined()) {
    bias_bits_.emplace(bias);
  }
}

NamedTensors BitLayer::current_tensors() const {
  NamedTensors tensors;
  append(tensors, weight_bits_, "weight", "scale");
  if (bias_bits_) {
    append(tensors, *bias_bits_, "bias", "biasscale");
  }
  return tensors;
}

void print_layer(std::ostream& stream, const char* name, const BitParameter& weight) {
  stream << name << "(weight of shape " << weight.shape();
  if (weight.representation() != Representation::kFloat) {
    stream << ", " << weight.bits() << " bits";
  }
  stream << ")";
}

}  // namespace bsq
