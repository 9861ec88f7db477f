#include "bsq/data/batch_maker.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "bsq/base/error.h"
#include "bsq/data/augmentation.h"
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
  if (data.files) {
    require(data.rows.defined() && data.rows.dim() == 1 && data.rows.scalar_type() == torch::kInt64,
            "the rows of a data set in files are int64 (N)");
    data.rows = data.rows.contiguous();
  } else {
    require(data.images.dim() == 4 && data.images.size(1) == 3 && data.images.scalar_type() == torch::kUInt8,
            "the images of a data set are uint8 (N, 3, H, W)");
    data.images = data.images.contiguous();
  }
  require(data.labels.defined() && data.labels.dim() == 1 && data.labels.scalar_type() == torch::kInt64 &&
              data.labels.size(0) == data.size(),
          "the labels of a data set are int64 (N)");
  require(data.classes > 0, "a data set has at least one class");
  data.labels = data.labels.contiguous();
  return data;
}

LoaderOptions checked(const LoaderOptions& options) {
  require(options.batch_size >= 1, "a batch has at least one image");
  require(options.workers >= 0, "the number of a loader's workers is not negative");
  require(options.layout == torch::MemoryFormat::Contiguous ||
              options.layout == torch::MemoryFormat::ChannelsLast,
          "batches are contiguous or channels-last");
  require(options.crop_border >= 0, "the border that images are cropped from is not negative");
  require(options.cutout >= 0 && options.mixup >= 0 && options.cutmix >= 0,
          "cutout, mixup and cutmix are not negative");
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

// False where the image's file is damaged. `pixels` is room to work in.
bool BatchMaker::write(int64_t epoch, int64_t position, int64_t image, const torch::Tensor& images,
                       int64_t index, std::vector<uint8_t>& pixels) const {
  const auto stream = [&](RandomPurpose purpose) {
    return Random(options_.seed, purpose, static_cast<uint64_t>(epoch), static_cast<uint64_t>(position));
  };
  Placement placement;
  if (data_.files) {
    auto random = stream(RandomPurpose::kCrop);
    pixels.resize(static_cast<size_t>(3 * images.size(2) * images.size(3)));
    const int64_t row = data_.rows.data_ptr<int64_t>()[image];
    if (!data_.files->decode(row, options_.augment ? &random : nullptr, pixels.data())) {
      return false;
    }
    placement.flip = options_.augment && random.below(2) == 1;
    writer_.write(pixels.data(), placement, images, index);
  } else {
    if (options_.augment) {
      placement = random_placement(options_.seed, epoch, position, options_.crop_border);
    }
    writer_.write(data_.images.data_ptr<uint8_t>() + image * data_.images.stride(0), placement, images,
                  index);
  }
  if (options_.augment && options_.cutout > 0) {
    auto random = stream(RandomPurpose::kCutout);
    cut_out(images, index, options_.cutout, random);
  }
  return true;
}

void BatchMaker::mix(int64_t epoch, Batch& batch) const {
  if (!options_.augment || (options_.mixup == 0 && options_.cutmix == 0)) {
    return;
  }
  Random random(options_.seed, RandomPurpose::kMix, static_cast<uint64_t>(epoch),
                static_cast<uint64_t>(batch.index));
  const bool blends = options_.cutmix == 0 || (options_.mixup > 0 && random.below(2) == 0);
  const auto mix =
      blends ? mix_up(batch.images, options_.mixup, random) : cut_mix(batch.images, options_.cutmix, random);
  batch.other_labels = torch::empty_like(batch.labels);
  batch.other_weight = mix.weight;
  const int64_t* const labels = batch.labels.data_ptr<int64_t>();
  for (size_t i = 0; i < mix.partners.size(); ++i) {
    batch.other_labels.data_ptr<int64_t>()[i] = labels[mix.partners[i]];
  }
}

Batch BatchMaker::make(int64_t epoch, const std::vector<int64_t>& order, int64_t index, bool is_whole) const {
  const auto& share = options_.share;
  const bool is_part = share.kind == LoaderShare::Kind::kImages && share.ranks > 1 && !is_whole;
  const int64_t all = std::min(options_.batch_size, data_.size() - index * options_.batch_size);
  const int64_t begin = is_part ? all * share.rank / share.ranks : 0;
  const int64_t end = is_part ? all * (share.rank + 1) / share.ranks : all;
  const int64_t first = index * options_.batch_size + begin;
  const int64_t count = end - begin;
  const auto images = torch::TensorOptions(options_.type).memory_format(options_.layout);
  Batch batch{torch::empty({count, 3, data_.image_size().height, data_.image_size().width}, images),
              torch::empty({count}, torch::kInt64), index, all};
  std::vector<uint8_t> pixels;
  int64_t written = 0;
  for (int64_t position = first; position < first + count; ++position) {
    const int64_t image = order[static_cast<size_t>(position)];
    if (write(epoch, position, image, batch.images, written, pixels)) {
      batch.labels.data_ptr<int64_t>()[written++] = checked_label(image);
    } else if (is_part) {
      throw Error(data_.files->take_damage().front() + "; several ranks need every image: remove the file");
    }
  }
  batch.images = batch.images.narrow(/*dim=*/0, 0, written);
  batch.labels = batch.labels.narrow(/*dim=*/0, 0, written);
  batch.of_images = is_part ? all : written;
  if (written > 0) {
    mix(epoch, batch);
  }
  return batch;
}

}  // namespace bsq
