#include "bsq/infer/latency.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <stdexcept>
#include <vector>

namespace bsq::infer {
namespace {

constexpr int64_t kWarmUp = 10;
constexpr int64_t kRuns = 100;
constexpr int64_t kImages = 8;
constexpr uint32_t kSeed = 1234;

std::vector<uint8_t> random_pixels(int64_t count) {
  std::mt19937 random(kSeed);
  std::vector<uint8_t> pixels(static_cast<size_t>(count));
  std::generate(pixels.begin(), pixels.end(), [&] { return static_cast<uint8_t>(random() >> 24); });
  return pixels;
}

}  // namespace

Latency measure_latency(const Engine& engine, const uint8_t* images, int64_t count, int64_t runs,
                        int threads) {
  if (count < 1 || runs < 1) {
    throw std::invalid_argument("measure_latency: no image or no run; expected at least one");
  }
  using Clock = std::chrono::steady_clock;
  const int64_t bytes = engine.channels() * engine.height() * engine.width();
  std::vector<float> logits(static_cast<size_t>(engine.classes()));
  std::vector<double> times;
  for (int64_t i = -kWarmUp; i < runs; ++i) {
    const auto* image = images + (i + kWarmUp) % count * bytes;
    const auto begin = Clock::now();
    engine.run(image, 1, logits.data(), threads);
    const std::chrono::duration<double, std::milli> time = Clock::now() - begin;
    if (i >= 0) {
      times.push_back(time.count());
    }
  }
  const auto middle = times.begin() + static_cast<int64_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return {*middle, runs};
}

Latency measure_latency(const Engine& engine) {
  const auto pixels = random_pixels(kImages * engine.channels() * engine.height() * engine.width());
  return measure_latency(engine, pixels.data(), kImages, kRuns, /*threads=*/1);
}

}  // namespace bsq::infer
