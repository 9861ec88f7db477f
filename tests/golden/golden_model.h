#pragma once

#include <memory>
#include <string>

#include "bsq/data/loader.h"
#include "bsq/methods/bsq/network_planes.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"
#include "tests/golden/golden_file.h"

namespace bsq::test {

/// The shared folder, where the pretrained checkpoint and the exact images are; "" where the default is
/// missing.
bool has_shared_files();

/// The pretrained ResNet-20, float32, with the batch's own activation range as the published code takes it.
std::shared_ptr<Network> pretrained_network(int64_t activation_bits);

/// Images [first, first + count) of a split, normalized, float64, and their labels.
Batch exact_images(bool is_test, int64_t first, int64_t count);

/// The same images and labels as they are stored.
ImageDataset exact_pixels(bool is_test, int64_t first, int64_t count);

struct ExactEvaluation {
  double top1;                 ///< percent of the 1,000 test images
  torch::Tensor first_logits;  ///< of the first 64
};
/// Evaluates the test images in batches of 250.
ExactEvaluation evaluate_exactly(Network& network);

/// Holds the bits of a network to a group of a golden file: bit widths, scales, planes where they are whole,
/// else the sums and the sums of squares of each plane. Tolerances are relative; 0 is exact.
void expect_bits(const GoldenFile& golden, const std::string& group, Network& network, double tolerance);

}  // namespace bsq::test
