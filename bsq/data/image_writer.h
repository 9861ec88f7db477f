#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/data/dataset.h"

namespace bsq {

/// Black pixels added on each side of an image before it is cropped to its own size again, unless a loader's
/// options say another number.
constexpr int64_t kCropBorder = 4;

/// How an image is cropped and mirrored: the crop's top left corner against the image's own, negative in the
/// border, and whether the crop is then mirrored left to right. As constructed: the image as it is.
struct Placement {
  int64_t top = 0;
  int64_t left = 0;
  bool flip = false;
};

/// The placement of the image at this position of an epoch: every crop equally likely, mirrored half of the
/// time.
Placement random_placement(uint64_t seed, int64_t epoch, int64_t position, int64_t border = kCropBorder);

/// Writes uint8 images, placed and normalized, into batches of one type. Safe to use from several threads at
/// once.
class ImageWriter {
 public:
  /// `type`: float32, float64 or bfloat16; the float32 values converted. Throws std::invalid_argument for
  /// another.
  ImageWriter(const Normalization& normalization, torch::ScalarType type);

  /// Writes `image` (3, H, W) as image `index` of `batch` (B, 3, H, W) of the writer's type, in any memory
  /// layout.
  void write(const uint8_t* image, const Placement& placement, const torch::Tensor& batch,
             int64_t index) const;

 private:
  torch::Tensor table_;  // (3, 256): the value of each byte in each channel
};

}  // namespace bsq
