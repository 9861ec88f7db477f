#include "tools/infer/measurement.h"

#include <torch/utils.h>

#include <algorithm>
#include <chrono>

#include "bsq/base/error.h"

namespace bsq::cli {
namespace {

constexpr int64_t kMostSingleRuns = 500;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void require_fitting(const infer::Engine& engine, const ImageDataset& images) {
  if (images.size() == 0) {
    throw Error("the data set has no test images");
  }
  const auto sizes = images.images.sizes();
  if (sizes[2] != engine.height() || sizes[3] != engine.width() || images.classes != engine.classes()) {
    throw Error(engine.about().path + ": takes images of " + std::to_string(engine.height()) + " x " +
                std::to_string(engine.width()) + " pixels in " + std::to_string(engine.classes()) +
                " classes; the data set has " + std::to_string(sizes[2]) + " x " + std::to_string(sizes[3]) +
                " in " + std::to_string(images.classes));
  }
}

}  // namespace

Measurement measure(const infer::Engine& engine, const ImageDataset& images, int threads) {
  require_fitting(engine, images);
  Measurement result;
  const auto* pixels = images.images.data_ptr<uint8_t>();
  result.logits = torch::empty({images.size(), engine.classes()}, torch::kFloat32);
  result.latency = infer::measure_latency(engine, pixels, images.size(),
                                          std::min(images.size(), kMostSingleRuns), threads);
  const auto begin = std::chrono::steady_clock::now();
  engine.run(pixels, images.size(), result.logits.data_ptr<float>(), threads);
  result.images_a_second = static_cast<double>(images.size()) / seconds_since(begin);
  result.correct = result.logits.argmax(1).eq(images.labels).sum().item<int64_t>();
  return result;
}

}  // namespace bsq::cli
