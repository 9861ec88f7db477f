#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bsq/nn/gradient_quantizer.h"
#include "bsq/nn/layer_role.h"
#include "bsq/nn/weight_source.h"

namespace bsq {

/// What every layer with a quantizable weight, and maybe bias, offers. A layer begins as a float layer.
///
/// Registered tensors are the slots of its sources. A float layer has weight (bias); bit planes are pweight,
/// nweight, scale (pbias, nbias, biasscale), a frozen grid is weight, scale (bias, biasscale), the names of
/// the published BSQ code.
class QuantLayer {
 public:
  virtual ~QuantLayer() = default;

  const WeightSource& weight_source() const { return *weight_; }
  WeightSource& weight_source() { return *weight_; }
  /// Null for a layer without a bias.
  const WeightSource* bias_source() const { return bias_.get(); }
  WeightSource* bias_source() { return bias_.get(); }

  /// Puts another source in place, and registers its slots. Throws std::invalid_argument where its shape is
  /// not the layer's; set_bias() throws std::logic_error for a layer without a bias.
  void set_weight(std::unique_ptr<WeightSource> source);
  void set_bias(std::unique_ptr<WeightSource> source);
  /// Gives a layer without a bias one of zeros, a number for each output.
  void give_bias();

  LayerRole role() const { return role_; }
  void set_role(LayerRole role) { role_ = role; }

  /// What the gradient behind the layer is quantized with; null, as a layer begins: nothing. No part of
  /// files. Copies of the layer share it.
  void set_gradient(SharedGradientQuantizer quantizer) { gradient_ = std::move(quantizer); }
  const SharedGradientQuantizer& gradient() const { return gradient_; }

 protected:
  QuantLayer(const torch::Tensor& weight, const torch::Tensor& bias);
  /// A deep copy of the sources.
  QuantLayer(const QuantLayer& other);
  QuantLayer& operator=(const QuantLayer&) = delete;
  virtual void register_sources() = 0;
  /// The slots of both sources under their registered names.
  Slots source_slots() const;
  void refresh_sources();

 private:
  std::unique_ptr<WeightSource> weight_, bias_;
  LayerRole role_ = LayerRole::kInner;
  SharedGradientQuantizer gradient_;
};

/// The registered name of a source's slot: a weight's own, and of a bias "bias" for "weight", "pbias" for
/// "pweight", "biasscale" for "scale".
std::string registered_name(const std::string& slot, bool is_bias);
/// The same with the layer's path, of a weight or bias by its name: of "fc.bias" and "scale", "fc.biasscale".
std::string slot_name(const std::string& tensor, const std::string& slot);

/// "NAME(weight of shape [..], N bits)", for pretty_print().
void print_layer(std::ostream& stream, const char* name, const QuantLayer& layer);

/// The module of a layer: registers the sources' slots, tells the sources when they were moved. Impl brings
/// `forward`. Layers compute in their input's type: bfloat16 images make a bfloat16 layer of float32 weights.
template <typename Impl>
class QuantModule : public SlotModule, public QuantLayer {
 public:
  QuantModule(const torch::Tensor& weight, const torch::Tensor& bias) : QuantLayer(weight, bias) {
    register_sources();
  }
  QuantModule(const QuantModule& other) : SlotModule(other), QuantLayer(other) { register_sources(); }

  Slots slots() const override { return source_slots(); }
  void to(torch::Device device, torch::Dtype type, bool non_blocking = false) override {
    Module::to(device, type, non_blocking);
    refresh_sources();
  }
  void to(torch::Dtype type, bool non_blocking = false) override {
    Module::to(type, non_blocking);
    refresh_sources();
  }
  void to(torch::Device device, bool non_blocking = false) override {
    Module::to(device, non_blocking);
    refresh_sources();
  }
  std::shared_ptr<torch::nn::Module> clone(
      const c10::optional<torch::Device>& device = c10::nullopt) const override {
    auto copy = std::make_shared<Impl>(static_cast<const Impl&>(*this));
    if (device) {
      copy->to(*device, /*non_blocking=*/false);
    }
    return copy;
  }

 protected:
  void register_sources() override { register_slots(); }

  torch::Tensor weight_like(const torch::Tensor& input) const {
    return weight_source().value().to(input.scalar_type());
  }
  /// Undefined for a layer without a bias.
  torch::Tensor bias_like(const torch::Tensor& input) const {
    return bias_source() == nullptr ? torch::Tensor() : bias_source()->value().to(input.scalar_type());
  }
};

}  // namespace bsq
