#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <limits>
#include <string>
#include <vector>

namespace bsq {

/// A tensor that a weight source or an activation owns. The module around it registers the tensor under this
/// name, so `.to()`, optimizers, checkpoints and broadcasts see it without being told.
struct Slot {
  enum class Role {
    kTrained,  ///< registered as a parameter; the optimizer trains it where it requires a gradient
    kTracked   ///< registered as a buffer; the owner updates it
  };
  std::string name;  ///< below the module: "scale". A registered name is a checkpoint key and never changes
  torch::Tensor tensor;
  Role role = Role::kTrained;
  /// Whether an imported file may lack the tensor (PyTorch files know no activation ranges). Our own files
  /// hold every slot.
  bool may_be_absent = false;
  /// The optimizer clamps the tensor to [low, high] after each step.
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

using Slots = std::vector<Slot>;

/// A module whose tensors are slots.
class SlotModule : public torch::nn::Module {
 public:
  virtual Slots slots() const = 0;

 protected:
  /// Registers exactly slots(), in place of what was registered before. Call it when the slots' owner is
  /// exchanged.
  void register_slots();
};

}  // namespace bsq
