#pragma once

#include <torch/types.h>

#include <memory>
#include <string>

#include "bsq/quant/codes.h"
#include "bsq/quant/slot.h"

namespace bsq {

/// From a trained tensor to the one that a layer computes with. A quantizer owns its scalars and names them.
class Quantizer {
 public:
  virtual ~Quantizer() = default;

  /// The name under which files refer to it; register_quantizer() makes it from a file again.
  virtual std::string kind() const = 0;
  /// The value that the layer computes with; differentiable, straight through its roundings.
  virtual torch::Tensor forward(const torch::Tensor& x) const = 0;
  /// What forward() comes to in integers. The format's bits are 0 where every value is 0.
  virtual Codes codes(const torch::Tensor& x) const = 0;
  /// The grid itself, also where every value is 0.
  virtual CodeFormat format() const = 0;
  /// Its rule, in a few words for people ("clip 2 mean|w|, one a layer"); "": the kind says enough.
  virtual std::string text() const { return ""; }
  /// Its own tensors; the master tensor is not among them.
  virtual Slots slots() const { return {}; }
  /// What the master tensor is clamped to after each step, and whether it is trained at all.
  struct Limits {
    double low, high;
    bool is_trained;
  };
  virtual Limits limits() const;
  /// Called when slots were filled or moved from outside.
  virtual void refresh() {}
  virtual std::unique_ptr<Quantizer> clone() const = 0;
};

/// Rounds to a fixed grid: value = scale * round_to_grid(q, format) + offset. The trained tensor is q itself,
/// clamped to the grid after each step; the scale is trained too, an offset is not. With 0 bits nothing is
/// trained and q stays as it is.
class GridQuantizer : public Quantizer {
 public:
  static constexpr const char* kKind = "frozen";
  /// Of a grid with an offset.
  static constexpr const char* kOffsetKind = "frozen-offset";

  /// `scale`: one number, or one for each output channel; taken as a slot. `offset`: the same, or undefined:
  /// none.
  GridQuantizer(const CodeFormat& format, const torch::Tensor& scale, const torch::Tensor& offset = {});

  std::string kind() const override { return offset_.defined() ? kOffsetKind : kKind; }
  torch::Tensor forward(const torch::Tensor& q) const override;
  Codes codes(const torch::Tensor& q) const override;
  CodeFormat format() const override { return format_; }
  Slots slots() const override;
  Limits limits() const override;
  std::unique_ptr<Quantizer> clone() const override;

 private:
  CodeFormat format_;
  torch::Tensor scale_, offset_;
};

}  // namespace bsq
