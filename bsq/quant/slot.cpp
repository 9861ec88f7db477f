#include "bsq/quant/slot.h"

#include <torch/nn/module.h>

namespace bsq {

// A libtorch module cannot forget a tensor, so it takes everything that it registers from a fresh one.
void SlotModule::register_slots() {
  torch::nn::Module fresh;
  for (const auto& slot : slots()) {
    if (slot.role == Slot::Role::kTrained) {
      fresh.register_parameter(slot.name, slot.tensor, slot.tensor.requires_grad());
    } else {
      fresh.register_buffer(slot.name, slot.tensor);
    }
  }
  fresh.train(is_training());
  torch::nn::Module::operator=(fresh);
}

}  // namespace bsq
