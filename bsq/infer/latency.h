#pragma once

#include <cstdint>

#include "bsq/infer/engine.h"

namespace bsq::infer {

/// How long one image takes that is computed alone.
struct Latency {
  double milliseconds = 0;  ///< the median
  int64_t runs = 0;         ///< of which it is the median
};

/// Images are computed one by one, in turns, `runs` times, after 10 runs that do not count. images: (count,
/// 3, height, width), pixels, which are normalized as the file says; count, runs and threads are 1 or more.
/// Throws std::invalid_argument for less, and bsq::Error where images have other than three channels.
Latency measure_latency(const Engine& engine, const uint8_t* images, int64_t count, int64_t runs,
                        int threads);

/// The same on one thread, 100 runs, of 8 images of random pixels from a fixed seed: a measure of a file that
/// needs no data.
Latency measure_latency(const Engine& engine);

}  // namespace bsq::infer
