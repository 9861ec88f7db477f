#pragma once

#include <cstdint>

#include "bsq/data/dataset.h"
#include "bsq/infer/engine.h"
#include "bsq/infer/latency.h"

namespace bsq::cli {

/// What a data set's test images gave.
struct Measurement {
  torch::Tensor logits;  ///< float32 (images, classes), without those whose files are damaged
  torch::Tensor labels;  ///< int64 (images)
  int64_t correct = 0;
  double images_a_second = 0;  ///< many images at once, without the decoding of files
  infer::Latency latency;      ///< of one image alone
};

/// Runs all images through the engine. Throws bsq::Error where the images do not fit the network, and where
/// all files are damaged.
Measurement measure(const infer::Engine& engine, const ImageDataset& images, int threads);

}  // namespace bsq::cli
