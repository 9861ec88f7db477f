#include "bsq/data/dataset.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "bsq/data/cifar.h"
#include "bsq/data/image_folder.h"
#include "bsq/data/random.h"
#include "bsq/data/synthetic.h"

namespace bsq {
namespace {

FolderOptions folder_options(const DatasetOptions& options) {
  return {options.image_size, options.resize, options.is_strict};
}

DatasetSplits load_splits(const DatasetOptions& options) {
  if (options.dataset == "synthetic") {
    return load_synthetic(options.seed);
  }
  const auto names = dataset_names();
  if (std::find(names.begin(), names.end(), options.dataset) == names.end()) {
    throw std::invalid_argument("unknown data set '" + options.dataset +
                                "', expected cifar10, cifar100, imagefolder, imagenet or synthetic");
  }
  if (options.folder.empty()) {
    throw std::invalid_argument("data set " + options.dataset + " needs the folder that holds its files");
  }
  if (options.dataset == "imagefolder") {
    return load_image_folder(options.folder, folder_options(options));
  }
  if (options.dataset == "imagenet") {
    auto folder = folder_options(options);
    folder.image_size = folder.image_size == 0 ? kImageNetSide : folder.image_size;
    auto splits = load_image_folder(options.folder, folder);
    splits.normalization = normalization_of("imagenet");
    return splits;
  }
  return options.dataset == "cifar10" ? load_cifar10(options.folder) : load_cifar100(options.folder);
}

torch::Tensor sorted_indices(std::vector<int64_t>::iterator first, std::vector<int64_t>::iterator last) {
  std::sort(first, last);
  return torch::tensor(std::vector<int64_t>(first, last), torch::kInt64);
}

void hold_out(DatasetSplits& splits, int64_t count, uint64_t seed) {
  auto order = random_permutation(splits.train.size(), Random(seed, RandomPurpose::kValidation));
  const auto cut = order.begin() + count;
  splits.validation = splits.train.subset(sorted_indices(order.begin(), cut));
  splits.train = splits.train.subset(sorted_indices(cut, order.end()));
}

}  // namespace

ImageSize ImageDataset::image_size() const {
  if (files) {
    return files->size();
  }
  return images.defined() ? ImageSize{images.size(2), images.size(3)} : ImageSize();
}

ImageDataset ImageDataset::subset(int64_t first, int64_t count) const {
  if (first < 0 || count < 0 || first > size() || count > size() - first) {
    throw std::invalid_argument("subset of " + std::to_string(count) + " images from image " +
                                std::to_string(first) + " on, of a data set of " + std::to_string(size()));
  }
  if (size() == 0) {
    return *this;
  }
  if (files) {
    return {{}, labels.narrow(/*dim=*/0, first, count), classes, files, rows.narrow(/*dim=*/0, first, count)};
  }
  return {
      images.narrow(/*dim=*/0, first, count), labels.narrow(/*dim=*/0, first, count), classes, nullptr, {}};
}

ImageDataset ImageDataset::subset(const torch::Tensor& indices) const {
  if (indices.dim() != 1 || indices.scalar_type() != torch::kInt64) {
    throw std::invalid_argument("the indices of a subset are int64 in one dimension");
  }
  const bool outside =
      indices.numel() > 0 && (indices.min().item<int64_t>() < 0 || indices.max().item<int64_t>() >= size());
  if (outside) {
    throw std::invalid_argument("index of a subset outside [0, " + std::to_string(size()) + ")");
  }
  if (size() == 0) {
    return *this;
  }
  if (files) {
    return {
        {}, labels.index_select(/*dim=*/0, indices), classes, files, rows.index_select(/*dim=*/0, indices)};
  }
  return {
      images.index_select(/*dim=*/0, indices), labels.index_select(/*dim=*/0, indices), classes, nullptr, {}};
}

Normalization normalization_of(const std::string& name) {
  if (name == "imagenet") {
    return {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};
  }
  if (name != "cifar") {
    throw std::invalid_argument("unknown normalization '" + name + "', expected cifar or imagenet");
  }
  return {};
}

bool is_image_folder(const std::string& dataset) { return dataset == "imagefolder" || dataset == "imagenet"; }

std::vector<std::string> dataset_names() {
  return {"cifar10", "cifar100", "imagefolder", "imagenet", "synthetic"};
}

DatasetSplits load_dataset(const DatasetOptions& options) {
  DatasetSplits splits = load_splits(options);
  if (options.validation < 0 || options.validation >= splits.train.size()) {
    throw std::invalid_argument("cannot hold out " + std::to_string(options.validation) + " of " +
                                std::to_string(splits.train.size()) + " training images for validation");
  }
  if (options.validation > 0) {
    hold_out(splits, options.validation, options.seed);
  }
  return splits;
}

}  // namespace bsq
