#pragma once

#include <torch/torch.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bsq/nn/bit_parameter.h"

namespace bsq {

/// What every layer with a bit-capable weight, and maybe bias, offers. A layer begins as a float layer.
///
/// Registered parameters, by representation of the weight (those of the bias in brackets):
/// float: weight (bias); bits: pweight, nweight, scale (pbias, nbias, biasscale), planes first; frozen:
/// weight, scale (bias, biasscale), weight and bias being q. The names are those of the published BSQ code.
class BitLayer {
 public:
  virtual ~BitLayer() = default;

  const BitParameter& weight_bits() const { return weight_bits_; }
  BitParameter& weight_bits() { return weight_bits_; }
  /// Null for a layer without a bias.
  const BitParameter* bias_bits() const { return bias_bits_ ? &*bias_bits_ : nullptr; }
  BitParameter* bias_bits() { return bias_bits_ ? &*bias_bits_ : nullptr; }

  /// Whether the layer is left out of everything that is done to bits (bsq/nn/to_bits.h): its weight and bias
  /// are float parameters like any others. Only a float layer can be.
  bool keeps_float() const { return keeps_float_; }
  void keep_float(bool keeps) { keeps_float_ = keeps; }

  /// Calls change(parameter) on the weight and the bias, then registers what the layer trains now.
  template <typename Change>
  void change(Change change) {
    change(weight_bits_);
    if (bias_bits_) {
      change(*bias_bits_);
    }
    register_tensors();
  }

 protected:
  BitLayer(torch::Tensor weight, const torch::Tensor& bias);
  virtual void register_tensors() = 0;

  /// The (name, tensor) pairs that the layer has now.
  std::vector<std::pair<std::string, torch::Tensor>> current_tensors() const;

 private:
  BitParameter weight_bits_;
  std::optional<BitParameter> bias_bits_;
  bool keeps_float_ = false;
};

/// A libtorch layer (Conv2dImpl, LinearImpl) whose weight and bias can be bits. It computes in its input's
/// type: bfloat16 images make a bfloat16 layer of float32 planes. The inherited members `weight` and `bias`
/// hold the tensors that the last forward pass computed with.
template <typename Base>
class BitModule : public Base, public BitLayer {
 public:
  template <typename Options>
  explicit BitModule(const Options& options) : Base(options), BitLayer(Base::weight, Base::bias) {}

  torch::Tensor forward(const torch::Tensor& input) {
    Base::weight = weight_bits().value().to(input.scalar_type());
    if (bias_bits() != nullptr) {
      Base::bias = bias_bits()->value().to(input.scalar_type());
    }
    return Base::forward(input);
  }

 protected:
  void register_tensors() override {
    this->parameters_.clear();
    for (const auto& [name, tensor] : current_tensors()) {
      this->register_parameter(name, tensor, tensor.requires_grad());
    }
  }

  /// A deep copy for clone().
  template <typename Impl>
  std::shared_ptr<torch::nn::Module> copy_of(const Impl& layer,
                                             const c10::optional<torch::Device>& device) const {
    auto copy = std::make_shared<Impl>(layer);
    copy->weight_bits().load("weight", weight_bits().store());
    if (bias_bits() != nullptr) {
      copy->bias_bits()->load("bias", bias_bits()->store());
    }
    copy->register_tensors();
    if (device) {
      copy->to(*device);
    }
    return copy;
  }
};

/// "NAME(weight of shape [..], N bits)", for pretty_print().
void print_layer(std::ostream& stream, const char* name, const BitParameter& weight);

}  // namespace bsq
