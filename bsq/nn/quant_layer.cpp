#include "bsq/nn/quant_layer.h"

#include <torch/utils.h>

#include <ostream>
#include <stdexcept>

#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

void require_shape(const WeightSource& source, const WeightSource& before, const char* what) {
  if (source.shape() != before.shape()) {
    throw std::invalid_argument(std::string(what) + " of shape " + c10::str(source.shape()) + "; expected " +
                                c10::str(before.shape()));
  }
}

}  // namespace

QuantLayer::QuantLayer(const torch::Tensor& weight, const torch::Tensor& bias)
    : weight_(std::make_unique<MasterWeight>(weight)),
      bias_(bias.defined() ? std::make_unique<MasterWeight>(bias) : nullptr) {}

QuantLayer::QuantLayer(const QuantLayer& other)
    : weight_(other.weight_->clone()),
      bias_(other.bias_ ? other.bias_->clone() : nullptr),
      role_(other.role_),
      gradient_(other.gradient_) {}

void QuantLayer::set_weight(std::unique_ptr<WeightSource> source) {
  require_shape(*source, *weight_, "a weight");
  weight_ = std::move(source);
  register_sources();
}

void QuantLayer::set_bias(std::unique_ptr<WeightSource> source) {
  if (!bias_) {
    throw std::logic_error("a bias for a layer that has none");
  }
  require_shape(*source, *bias_, "a bias");
  bias_ = std::move(source);
  register_sources();
}

void QuantLayer::give_bias() {
  if (!bias_) {
    const auto options = weight_->slots().front().tensor.options().requires_grad(true);
    bias_ = std::make_unique<MasterWeight>(torch::zeros({weight_->shape().front()}, options));
    register_sources();
  }
}

Slots QuantLayer::source_slots() const {
  auto slots = weight_->slots();
  if (bias_) {
    for (auto slot : bias_->slots()) {
      slot.name = registered_name(slot.name, /*is_bias=*/true);
      slots.push_back(slot);
    }
  }
  return slots;
}

void QuantLayer::refresh_sources() {
  weight_->refresh();
  if (bias_) {
    bias_->refresh();
  }
}

std::string registered_name(const std::string& slot, bool is_bias) {
  if (!is_bias) {
    return slot;
  }
  const std::string noun = "weight";
  const auto at = slot.find(noun);
  return at == std::string::npos ? "bias" + slot
                                 : slot.substr(0, at) + "bias" + slot.substr(at + noun.size());
}

std::string slot_name(const std::string& tensor, const std::string& slot) {
  const auto last = tensor.rfind('.') + 1;
  return tensor.substr(0, last) + registered_name(slot, /*is_bias=*/tensor.substr(last) == "bias");
}

void print_layer(std::ostream& stream, const char* name, const QuantLayer& layer) {
  const auto& weight = layer.weight_source();
  stream << name << "(weight of shape " << weight.shape();
  if (!weight.is_float()) {
    stream << ", " << weight.bits() << " bits";
  }
  stream << ")";
}

}  // namespace bsq
