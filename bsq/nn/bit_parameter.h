#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bsq/methods/bsq/bit_planes.h"
#include "bsq/nn/network_state.h"

namespace bsq {

/// What the trainable variables of a layer's tensor are.
enum class Representation {
  kFloat,  ///< the weight itself
  kBits,   ///< bit planes and a scale
  kFrozen  ///< the real-valued q and a scale, at a width that no longer changes (finetuning)
};

/// Which tensors get gradients while a tensor is in bits.
enum class GradientMode {
  kPlanes,  ///< the planes and the scale, through autograd: any optimizer can train them
  kWeight   ///< only the weight that the planes stand for: the fused optimizer makes the planes' gradients
            ///< from it
};

/// One weight or bias tensor of a layer in any of the three representations. Does not register anything;
/// BitLayer does.
class BitParameter {
 public:
  /// Begins as a float tensor.
  explicit BitParameter(torch::Tensor weight);

  Representation representation() const { return representation_; }
  at::IntArrayRef shape() const { return shape_; }
  int64_t numel() const;
  /// The width; 0 for a frozen tensor that has no bits left, and for a float one.
  int64_t bits() const;

  /// The tensor that the layer computes with: the weight, W = s Q of the planes, or s Q of the frozen q.
  torch::Tensor value();

  /// Float to bits (bsq/methods/bsq/conversion.h). Throws std::logic_error in another representation.
  void convert(int64_t bits);
  /// Takes these planes. Throws std::invalid_argument where their shape is not this tensor's.
  void set_planes(BitPlanes planes);
  /// Bits to frozen: q from the planes; a tensor whose digits are all zero has 0 bits and stays 0.
  void freeze();
  /// Frozen to bits: the binary planes of round(|q| (2^n-1)); 0 bits become one plane of zeros.
  void unfreeze();
  /// Any representation to float: the values that value() gives.
  void make_float();

  /// Planes and scale. Throws std::logic_error unless in bits.
  BitPlanes& planes();
  const BitPlanes& planes() const;
  /// The scale; undefined for a float tensor.
  torch::Tensor scale() const;
  /// The float weight or the frozen q; undefined in bits.
  torch::Tensor weight() const { return weight_; }

  void set_gradient_mode(GradientMode mode) { gradient_mode_ = mode; }
  GradientMode gradient_mode() const { return gradient_mode_; }
  /// dL/dW of the last backward pass, and the Q of its forward pass (kWeight only; undefined before).
  torch::Tensor weight_gradient() const;
  torch::Tensor rounded_value() const { return rounded_value_; }
  void clear_weight_gradient() { weight_leaf_ = rounded_value_ = torch::Tensor(); }

  /// As files hold it: binary planes as signed integers, real-valued ones as planes.
  StoredTensor store() const;
  /// Takes a stored tensor, in its representation. Throws std::invalid_argument where it does not fit; begins
  /// with `name`.
  void load(const std::string& name, const StoredTensor& stored);

 private:
  torch::Tensor planes_value();
  void load_frozen(const StoredTensor& stored, const torch::TensorOptions& options);
  void require(Representation wanted, const char* operation) const;

  Representation representation_ = Representation::kFloat;
  GradientMode gradient_mode_ = GradientMode::kPlanes;
  std::vector<int64_t> shape_;
  torch::Tensor weight_;
  BitPlanes planes_;
  torch::Tensor frozen_scale_;
  int64_t frozen_bits_ = 0;
  torch::Tensor weight_leaf_;
  torch::Tensor rounded_value_;
};

}  // namespace bsq
