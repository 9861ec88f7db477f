#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "bsq/methods/sawb/sawb_clip.h"
#include "bsq/nn/weight_source.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

/// The weight quantizer of SAWB: integers -n..n, n = 2^(bits-1) - 1, times clip / n (sawb_ste.h). The clip is
/// computed of the master tensor at each use, so there is no slot. The integers are two's complement, of
/// which -2^(bits-1) is not used.
class SawbQuantizer : public Quantizer {
 public:
  /// Kinds of weight sources: names in files, in the enum's order.
  static constexpr const char* kKinds[] = {"sawb", "sawb_channel", "sawb_twice_mean"};

  /// Throws std::invalid_argument for bits other than 2, 3, 4, 5 and 8.
  SawbQuantizer(int64_t bits, SawbKind clip_kind);

  std::string kind() const override { return kKinds[static_cast<int>(clip_kind_)]; }
  torch::Tensor forward(const torch::Tensor& weight) const override;
  Codes codes(const torch::Tensor& weight) const override;
  CodeFormat format() const override { return twos_complement(bits_); }
  std::string text() const override { return sawb_text(bits_, clip_kind_); }
  std::unique_ptr<Quantizer> clone() const override;

  /// A stored master weight. Throws std::invalid_argument for another format.
  static std::unique_ptr<WeightSource> load(SawbKind clip_kind, const StoredTensor& stored,
                                            const torch::TensorOptions& options);
  /// The same of a FoldedWeight; its gain is an entry of its own and filled afterwards.
  static std::unique_ptr<WeightSource> load_folded(SawbKind clip_kind, const StoredTensor& stored,
                                                   const torch::TensorOptions& options);

 private:
  int64_t bits_;
  SawbKind clip_kind_;
};

}  // namespace bsq
