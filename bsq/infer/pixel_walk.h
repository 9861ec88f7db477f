#pragma once

#include <cstdint>

#include "bsq/infer/kernels.h"

namespace bsq::infer {
// Each file that includes this has a copy for its own instruction set: none may be taken by another one.
namespace {

/// Goes through a task's pixels, row by row.
class PixelWalk {
 public:
  /// Numbers from the first pixel to this one.
  struct Place {
    int64_t in, residual, out;
  };

  explicit PixelWalk(const LayerTask& task) : task_(task) {}

  Place next() {
    const Place place = place_;
    if (++x_ < task_.width) {
      place_.in += task_.in_pixel;
      place_.residual += task_.residual_pixel;
      place_.out += task_.out_pixel;
    } else {
      x_ = 0;
      ++y_;
      place_ = {y_ * task_.in_row, y_ * task_.residual_row, y_ * task_.out_row};
    }
    return place;
  }

 private:
  const LayerTask& task_;
  int64_t x_ = 0, y_ = 0;
  Place place_{0, 0, 0};
};

}  // namespace
}  // namespace bsq::infer
