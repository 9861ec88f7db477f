#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bsq/nn/stored_tensor.h"
#include "bsq/quant/codes.h"
#include "bsq/quant/slot.h"

namespace bsq {

/// Where a layer's weight or bias comes from: a float tensor, a master tensor with a quantizer
/// (MasterWeight), or bit planes (methods/bsq).
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  /// "float", or the name under which files refer to the source (register_weight_source()).
  virtual std::string kind() const = 0;
  virtual at::IntArrayRef shape() const = 0;

  /// What the layer computes with, differentiable. Writes nothing: several forward passes before a step, also
  /// from several threads, give gradients that add up.
  virtual torch::Tensor value() const = 0;
  /// The tensors that the layer registers, under the names that a weight has: "weight", "pweight", "scale".
  virtual Slots slots() const = 0;
  /// The tensors on which autograd collects gradients. By default those slots that are trained; a source
  /// whose optimizer makes the slots' gradients from dL/dW has the tensor that value() is made of.
  virtual std::vector<torch::Tensor> gradient_leaves() const;
  /// The integers of value() and their scale; nothing for float. Where every value is 0, 0 bits.
  virtual std::optional<Codes> codes() const = 0;
  /// Bit width in training, where a tensor without a digit still has a plane; 0 for float.
  virtual int64_t bits() const = 0;

  /// The rule of its quantizer, in a few words for people; "": the kind says enough.
  virtual std::string text() const { return ""; }

  /// The entry of a file. It covers those slots that covered_slots() names; the others are entries of their
  /// own.
  virtual StoredTensor store() const = 0;
  virtual std::vector<std::string> covered_slots() const = 0;

  /// Called after slots were filled, moved or trained from outside.
  virtual void refresh() {}
  virtual std::unique_ptr<WeightSource> clone() const = 0;

  int64_t numel() const { return c10::multiply_integers(shape()); }
  bool is_float() const { return kind() == kFloatKind; }
  static constexpr const char* kFloatKind = "float";
};

/// Makes a source of a stored entry, in `options`' type and on its device. Slots that the entry does not
/// cover are filled afterwards; where such a slot is one number, it may become one a channel then. May throw
/// std::invalid_argument.
using WeightSourceFactory =
    std::function<std::unique_ptr<WeightSource>(const StoredTensor&, const torch::TensorOptions& options)>;

/// Adds a kind that files may name. Methods do so as they register.
void register_weight_source(const std::string& kind, WeightSourceFactory factory);

/// The source of a stored entry: float, codes (as a fixed grid), or what its kind registered. Throws
/// std::invalid_argument for a kind that nobody registered.
std::unique_ptr<WeightSource> make_weight_source(const StoredTensor& stored,
                                                 const torch::TensorOptions& options);

}  // namespace bsq
