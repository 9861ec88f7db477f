#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bsq/data/file_images.h"

namespace bsq {

/// Labelled images, in memory as uint8 or in files that are decoded when a batch is made; batches are made
/// from them by BatchLoader.
struct ImageDataset {
  torch::Tensor images;  ///< uint8 (N, 3, H, W), contiguous; undefined when there are none in memory
  torch::Tensor labels;  ///< int64 (N), each in [0, classes)
  int64_t classes = 0;
  std::shared_ptr<const FileImages> files = nullptr;  ///< null: they are in memory
  torch::Tensor rows = {};                            ///< int64 (N), each image's place in `files`

  int64_t size() const { return files ? rows.size(0) : images.defined() ? images.size(0) : 0; }
  /// Of each image. 0 by 0 where there is none.
  ImageSize image_size() const;

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
  std::string dataset = "cifar10";  ///< one of dataset_names()
  std::string folder;               ///< where the files are; not used by synthetic
  uint64_t seed = 1234;             ///< draws the synthetic images and the images to hold out
  int64_t validation = 0;           ///< training images to hold out, 0 <= validation < training images
  /// Of folders of images. 0: they have one size, and are decoded once; imagenet has 224 then.
  int64_t image_size = 0;
  int64_t resize = 0;      ///< of the shorter side before the middle is cut out; 0: 8/7 of image_size
  bool is_strict = false;  ///< a damaged image is an error
};

/// The side of ImageNet's images unless another one is asked for.
constexpr int64_t kImageNetSide = 224;

/// Whether a data set is a folder of images, which has DatasetOptions::image_size, resize and is_strict.
bool is_image_folder(const std::string& dataset);

/// Names that DatasetOptions::dataset takes.
std::vector<std::string> dataset_names();

/// Loads the splits of a data set. With validation = N > 0, N training images, chosen by the seed, move from
/// train to validation; both keep the order of the files. Throws bsq::Error for missing or damaged files, and
/// std::invalid_argument for an unknown name, a folder left out or a validation count out of range.
DatasetSplits load_dataset(const DatasetOptions& options);

}  // namespace bsq
