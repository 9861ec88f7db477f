#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "bsq/data/dataset.h"
#include "bsq/data/image_writer.h"

namespace bsq {

struct Batch {
  torch::Tensor images;   ///< (B, 3, H, W), normalized, in the loader's type and layout
  torch::Tensor labels;   ///< int64 (B)
  int64_t index = 0;      ///< of the batch in its epoch
  int64_t of_images = 0;  ///< images of the whole batch, of all ranks together
  /// Where images are mixed: int64 (B), the labels of what is mixed in, and its part of each image.
  torch::Tensor other_labels = {};
  double other_weight = 0;
};

/// What one of several processes takes of the batches.
struct LoaderShare {
  enum class Kind {
    kImages,  ///< its part of the images of every batch: rank r of n has positions [B r / n, B (r+1) / n) of
              ///< B
    kBatches  ///< every n-th batch as a whole, beginning with batch r
  };
  Kind kind = Kind::kImages;
  int64_t rank = 0, ranks = 1;
};

struct LoaderOptions {
  int64_t batch_size = 128;  ///< of all ranks together
  bool shuffle = false;
  bool augment = false;               ///< random crops, mirrored half of the time, and what follows
  int64_t crop_border = kCropBorder;  ///< black pixels around images in memory before they are cropped
  int64_t cutout = 0;                 ///< side of the square that is left out; 0: none
  double mixup = 0, cutmix = 0;       ///< their alpha; 0: none; with both each batch has one of them
  bool drop_last = false;             ///< leaves out a last batch that is not full
  int64_t workers = 1;  ///< background threads; 0: batches are made in the thread that asks for them
  uint64_t seed = 1234;
  torch::ScalarType type = torch::kFloat32;                      ///< or float64 or bfloat16
  torch::MemoryFormat layout = torch::MemoryFormat::Contiguous;  ///< or ChannelsLast
  Normalization normalization;
  LoaderShare share;
};

/// Makes any batch of any epoch, without state: the order of the images follows from (seed, epoch) alone, an
/// image's crop, flip and cutout from (seed, epoch, position in the epoch) alone, what a batch mixes from
/// (seed, epoch, index). An image whose file is damaged is left out of its batch. Safe to use from several
/// threads at once, and makes no use of libtorch's own threads.
class BatchMaker {
 public:
  /// Throws std::invalid_argument for an empty or ill-formed data set, for options out of range, and where
  /// images are shared out and a batch of the epoch has fewer of them than there are ranks.
  BatchMaker(ImageDataset data, const LoaderOptions& options);

  int64_t batches() const;  ///< in an epoch, of all ranks
  /// Whether a batch, of all ranks together, has fewer images than the others: the last one may.
  bool is_short(int64_t index) const { return (index + 1) * options_.batch_size > data_.size(); }

  /// The images of an epoch in their order, as indices into the data set.
  std::vector<int64_t> order(int64_t epoch) const;

  /// Batch `index` (in [0, batches())) of an epoch whose order is `order`: with shared images this process's
  /// part of it, or with `is_whole` all of it. Images are mixed within a part. Throws bsq::Error for a label
  /// that is not one of the data set's classes, and for a damaged file where images are shared. The batch is
  /// empty where all of its files are damaged.
  Batch make(int64_t epoch, const std::vector<int64_t>& order, int64_t index, bool is_whole = false) const;

 private:
  int64_t checked_label(int64_t image) const;
  bool write(int64_t epoch, int64_t position, int64_t image, const torch::Tensor& images, int64_t index,
             std::vector<uint8_t>& pixels) const;
  void mix(int64_t epoch, Batch& batch) const;

  ImageDataset data_;
  LoaderOptions options_;
  ImageWriter writer_;
};

}  // namespace bsq
