#pragma once

#include <cstdint>

#include "bsq/data/dataset.h"

namespace bsq {

constexpr int64_t kSyntheticTrainImages = 5000;
constexpr int64_t kSyntheticTestImages = 1000;

enum class SyntheticSplit : uint64_t { kTrain = 0, kTest = 1 };

/// Draws `count` images of 3 x 32 x 32 in ten classes (image i has class i % 10): horizontal stripes,
/// vertical stripes, checkerboard, disk, ring, square outline, plus, diagonal cross, triangle, grid of dots.
/// Position, size, colours, contrast and noise are random, and no class changes when mirrored, so that a
/// small ResNet learns it in a few epochs and a linear model does not. Made with integers alone: a seed gives
/// the same bytes on every machine. An image depends on (seed, split, its index), not on count.
ImageDataset draw_synthetic(uint64_t seed, SyntheticSplit split, int64_t count);

/// The built-in data set: 5,000 training and 1,000 test images.
DatasetSplits load_synthetic(uint64_t seed);

}  // namespace bsq
