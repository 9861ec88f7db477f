#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace bsq {

/// Labelled images in memory, as uint8; batches are made from them by BatchLoader.
struct ImageDataset {
  torch::Tensor images;  ///< uint8 (N, 3, H, W), contiguous; undefined when there are none
  torch::Tensor labels;  ///< int64 (N), each in [0, classes)
  int64_t classes = 0;

  int64_t size() const { return images.defined() ? images.size(0) : 0; }

  /// Images first to first + count - 1; shares memory. Throws std::invalid_argument outside [0, size()].
  ImageDataset subset(int64_t first, int64_t count) const;
  /// The images at these indices (int64, one dimension), in their order; a copy. Throws std::invalid_argument
  /// for an index outside [0, size()).
  ImageDataset subset(const torch::Tensor& indices) const;
};

/// Per-channel constants (red, green, blue) of (u8 / 255 - mean) / std, computed in float32 in this order.
/// The defaults are the published ones for CIFAR.
struct Normalization {
  std::array<float, 3> mean{0.4914F, 0.4822F, 0.4465F};
  std::array<float, 3> std{0.2023F, 0.1994F, 0.2010F};

  bool operator==(const Normalization& other) const { return mean == other.mean && std == other.std; }
  bool operator!=(const Normalization& other) const { return !(*this == other); }
};

/// The constants of this name: "cifar", as above, or "imagenet", as torchvision's models have them. Throws
/// std::invalid_argument for another name.
Normalization normalization_of(const std::string& name);

struct DatasetSplits {
  ImageDataset train;
  ImageDataset test;
  Normalization normalization;
  ImageDataset validation;               ///< held out of train; empty unless asked for
  std::vector<std::string> class_names;  ///< in the order of the labels
  std::vector<std::string> notes;        ///< lines for the user, such as files that were left out
};

struct DatasetOptions {
  std::string dataset = "cifar10";  ///< cifar10, cifar100, imagefolder or synthetic
  std::string folder;               ///< where the files are; not used by synthetic
  uint64_t seed = 1234;             ///< draws the synthetic images and the images to hold out
  int64_t validation = 0;           ///< training images to hold out, 0 <= validation < training images
};

/// Names that DatasetOptions::dataset takes.
std::vector<std::string> dataset_names();

/// Loads the splits of a data set. With validation = N > 0, N training images, chosen by the seed, move from
/// train to validation; both keep the order of the files. Throws bsq::Error for missing or damaged files, and
/// std::invalid_argument for an unknown name, a folder left out or a validation count out of range.
DatasetSplits load_dataset(const DatasetOptions& options);

}  // namespace bsq
