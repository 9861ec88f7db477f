#include "tools/infer/measurement.h"

#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "bsq/base/error.h"

namespace bsq::cli {
namespace {

constexpr int64_t kMostSingleRuns = 500;
constexpr int64_t kDecodedTogether = 256;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void require_fitting(const infer::Engine& engine, const ImageDataset& images) {
  if (images.size() == 0) {
    throw Error("the data set has no test images");
  }
  const auto size = images.image_size();
  if (size.height != engine.height() || size.width != engine.width() || images.classes != engine.classes()) {
    throw Error(engine.about().path + ": takes images of " + std::to_string(engine.height()) + " x " +
                std::to_string(engine.width()) + " pixels in " + std::to_string(engine.classes()) +
                " classes; the data set has " + std::to_string(size.height) + " x " +
                std::to_string(size.width) + " in " + std::to_string(images.classes));
  }
}

struct Pixels {
  torch::Tensor images;  // uint8 (N, 3, H, W)
  torch::Tensor labels;  // int64 (N)
};

// Some images of a data set; those whose files are damaged are left out.
Pixels pixels_of(const ImageDataset& data) {
  if (!data.files) {
    return {data.images, data.labels};
  }
  const auto size = data.image_size();
  auto images = torch::empty({data.size(), 3, size.height, size.width}, torch::kUInt8);
  std::vector<int64_t> sound;
  for (int64_t i = 0; i < data.size(); ++i) {
    auto* const planes = images.data_ptr<uint8_t>() + static_cast<int64_t>(sound.size()) * images.stride(0);
    if (data.files->decode(data.rows[i].item<int64_t>(), /*random=*/nullptr, planes)) {
      sound.push_back(i);
    }
  }
  return {images.narrow(/*dim=*/0, 0, static_cast<int64_t>(sound.size())),
          data.labels.index_select(/*dim=*/0, torch::tensor(sound, torch::kInt64))};
}

}  // namespace

Measurement measure(const infer::Engine& engine, const ImageDataset& images, int threads) {
  require_fitting(engine, images);
  Measurement result;
  std::vector<torch::Tensor> logits, labels;
  double seconds = 0;
  const int64_t together = images.files ? kDecodedTogether : images.size();
  for (int64_t first = 0; first < images.size(); first += together) {
    const auto part = pixels_of(images.subset(first, std::min(together, images.size() - first)));
    const int64_t count = part.labels.size(0);
    const auto* pixels = part.images.data_ptr<uint8_t>();
    if (result.latency.runs == 0 && count > 0) {
      result.latency =
          infer::measure_latency(engine, pixels, count, std::min(count, kMostSingleRuns), threads);
    }
    logits.push_back(torch::empty({count, engine.classes()}, torch::kFloat32));
    labels.push_back(part.labels);
    const auto begin = std::chrono::steady_clock::now();
    engine.run(pixels, count, logits.back().data_ptr<float>(), threads);
    seconds += seconds_since(begin);
  }
  result.logits = torch::cat(logits);
  result.labels = torch::cat(labels);
  if (result.labels.numel() == 0) {
    throw Error(images.files->take_damage().front() + "; no image is sound");
  }
  result.images_a_second = static_cast<double>(result.labels.numel()) / seconds;
  result.correct = result.logits.argmax(1).eq(result.labels).sum().item<int64_t>();
  return result;
}

}  // namespace bsq::cli
