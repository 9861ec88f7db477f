#pragma once

#include <torch/custom_class.h>
#include <torch/types.h>

#include <utility>

#include "bsq/nn/gradient_quantizer.h"

namespace bsq {

/// Carries a gradient quantizer from the forward pass of an autograd function to its backward pass.
struct GradientHolder : torch::CustomClassHolder {
  explicit GradientHolder(SharedGradientQuantizer held) : quantizer(std::move(held)) {}
  SharedGradientQuantizer quantizer;
};

inline c10::IValue held(SharedGradientQuantizer quantizer) {
  return c10::IValue::make_capsule(c10::make_intrusive<GradientHolder>(std::move(quantizer)));
}
inline SharedGradientQuantizer quantizer_in(const c10::IValue& value) {
  return c10::static_intrusive_pointer_cast<GradientHolder>(value.toCapsule())->quantizer;
}

}  // namespace bsq
