#pragma once

#include <torch/custom_class.h>

#include "bsq/base/ranks.h"

namespace bsq {

/// Takes ranks, or null, from the forward pass of an autograd function to its backward pass, which may run on
/// another thread. The ranks outlive both.
struct RanksHolder : torch::CustomClassHolder {
  explicit RanksHolder(Ranks* held) : ranks(held) {}
  Ranks* ranks;
};

inline c10::IValue held(Ranks* ranks) {
  return c10::IValue::make_capsule(c10::make_intrusive<RanksHolder>(ranks));
}
inline Ranks* ranks_in(const c10::IValue& value) {
  return c10::static_intrusive_pointer_cast<RanksHolder>(value.toCapsule())->ranks;
}

}  // namespace bsq
