#include "bsq/data/batch_maker.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "bsq/base/error.h"
#include "bsq/data/random.h"

namespace bsq {
namespace {

void require(bool holds, const char* message) {
  if (!holds) {
    throw std::invalid_argument(message);
  }
}

ImageDataset checked(ImageDataset data) {
  require(data.size() > 0, "a loader needs a data set that is not empty");
  require(data.images.dim() == 4 && data.images.size(1) == 3 && data.images.scalar_type() == torch::kUInt8,
          "the images of a data set are uint8 (N, 3, H, W)");
  require(data.labels.defined() && data.labels.dim() == 1 && data.labels.scalar_type() == torch::kInt64 &&
              data.labels.size(0) == data.size(),
          "the labels of a data set are int64 (N)");
  require(data.classes > 0, "a data set has at least one class");
  data.images = data.images.contiguous();
  data.labels = data.labels.contiguous();
  return data;
}

LoaderOptions checked(const LoaderOptions& options) {
  require(options.batch_size >= 1, "a batch has at least one image");
  require(options.workers >= 0, "the number of a loader's workers is not negative");
  require(options.layout == torch::MemoryFormat::Contiguous ||
              options.layout == torch::MemoryFormat::ChannelsLast,
          "batches are contiguous or channels-last");
  require(options.share.ranks >= 1 && options.share.rank >= 0 && options.share.rank < options.share.ranks,
          "a share is that of a rank from 0 to one less than there are ranks");
  return options;
}

// A rank without an image would have nothing to compute with.
void check_share(const LoaderOptions& options, int64_t images) {
  if (options.share.kind != LoaderShare::Kind::kImages) {
    return;
  }
  const int64_t rest = options.drop_last ? 0 : images % options.batch_size;
  const int64_t least = rest == 0 ? options.batch_size : rest;
  if (least < options.share.ranks) {
    throw std::invalid_argument("a batch of " + std::to_string(least) + " images for " +
                                std::to_string(options.share.ranks) +
                                " ranks; expected an image or more for each: another batch size helps");
  }
}

}  // namespace

BatchMaker::BatchMaker(ImageDataset data, const LoaderOptions& options)
    : data_(checked(std::move(data))),
      options_(checked(options)),
      writer_(options.normalization, options.type) {
  check_share(options_, data_.size());
}

int64_t BatchMaker::batches() const {
  const int64_t full = data_.size() / options_.batch_size;
  const bool rest = data_.size() % options_.batch_size != 0;
  return full + (rest && !options_.drop_last ? 1 : 0);
}

std::vector<int64_t> BatchMaker::order(int64_t epoch) const {
  if (options_.shuffle) {
    return random_permutation(data_.size(),
                              Random(options_.seed, RandomPurpose::kShuffle, static_cast<uint64_t>(epoch)));
  }
  std::vector<int64_t> order(static_cast<size_t>(data_.size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

int64_t BatchMaker::checked_label(int64_t image) const {
  const int64_t label = data_.labels.data_ptr<int64_t>()[image];
  if (label < 0 || label >= data_.classes) {
    throw Error("image " + std::to_string(image) + " of the data set has label " + std::to_string(label) +
                ", expected 0 to " + std::to_string(data_.classes - 1));
  }
  return label;
}

Batch BatchMaker::make(int64_t epoch, const std::vector<int64_t>& order, int64_t index, bool is_whole) const {
  const auto& share = options_.share;
  const bool is_part = share.kind == LoaderShare::Kind::kImages && !is_whole;
  const int64_t all = std::min(options_.batch_size, data_.size() - index * options_.batch_size);
  const int64_t begin = is_part ? all * share.rank / share.ranks : 0;
  const int64_t end = is_part ? all * (share.rank + 1) / share.ranks : all;
  const int64_t first = index * options_.batch_size + begin;
  const int64_t count = end - begin;
  const int64_t image_bytes = data_.images.stride(0);
  const auto images = torch::TensorOptions(options_.type).memory_format(options_.layout);
  Batch batch{torch::empty({count, 3, data_.images.size(2), data_.images.size(3)}, images),
              torch::empty({count}, torch::kInt64), index, all};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t position = first + i;
    const int64_t image = order[static_cast<size_t>(position)];
    const Placement placement =
        options_.augment ? random_placement(options_.seed, epoch, position) : Placement{};
    writer_.write(data_.images.data_ptr<uint8_t>() + image * image_bytes, placement, batch.images, i);
    batch.labels.data_ptr<int64_t>()[i] = checked_label(image);
  }
  return batch;
}

}  // namespace bsq
