#include "bsq/data/loader.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

#include "bsq/base/error.h"

namespace bsq {
namespace {

// Batches made ahead beside the one that each worker is making.
constexpr int64_t kAhead = 2;

}  // namespace

BatchLoader::BatchLoader(ImageDataset data, LoaderOptions options)
    : maker_(std::move(data), options), worker_count_(options.workers), share_(options.share) {}

BatchLoader::~BatchLoader() { stop(); }

void BatchLoader::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  room_.notify_all();
  for (std::thread& worker : workers_) {
    worker.join();
  }
  workers_.clear();
  results_.clear();
}

void BatchLoader::begin(int64_t epoch, int64_t first_batch, bool is_whole) {
  if (epoch < 0 || first_batch < 0 || first_batch > batches()) {
    throw std::invalid_argument("cannot start epoch " + std::to_string(epoch) + " at batch " +
                                std::to_string(first_batch) + " of " + std::to_string(batches()));
  }
  stop();
  epoch_ = epoch;
  order_ = maker_.order(epoch);
  is_whole_ = is_whole;
  // The first of this process's own batches that is not before it.
  const int64_t own = stride() == 1 ? 0 : (share_.rank - first_batch % stride() + stride()) % stride();
  claimed_ = given_ = std::min(first_batch + own, batches());
  stopping_ = false;
  wait_seconds_ = 0;
  started_ = true;
  gave_images_ = first_batch > 0;
  for (int64_t i = 0; i < worker_count_; ++i) {
    workers_.emplace_back([this] { work(); });
  }
}

std::optional<Batch> BatchLoader::next() {
  if (!started_) {
    throw std::logic_error("BatchLoader::next before start");
  }
  const auto begin = std::chrono::steady_clock::now();
  std::optional<Batch> batch;
  while (!is_at_end() && (!batch || batch->labels.size(0) == 0)) {
    batch = take();
  }
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!batch || batch->labels.size(0) > 0) {
    gave_images_ = gave_images_ || batch;
    return batch;
  }
  if (!gave_images_) {
    throw Error("the images of all batches are damaged");
  }
  return std::nullopt;
}

bool BatchLoader::is_at_end() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return given_ >= batches();
}

Batch BatchLoader::take() {
  if (workers_.empty()) {
    Batch batch = maker_.make(epoch_, order_, given_, is_whole_);
    given_ += stride();
    return batch;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  made_.wait(lock, [this] { return results_.count(given_) > 0; });
  const auto found = results_.find(given_);
  if (found->second.error) {
    std::rethrow_exception(found->second.error);
  }
  Batch batch = std::move(found->second.batch);
  results_.erase(found);
  given_ += stride();
  room_.notify_all();
  return batch;
}

std::optional<int64_t> BatchLoader::claim() {
  const int64_t window = (kAhead + worker_count_) * stride();
  std::unique_lock<std::mutex> lock(mutex_);
  room_.wait(lock, [&] { return stopping_ || claimed_ >= maker_.batches() || claimed_ < given_ + window; });
  if (stopping_ || claimed_ >= maker_.batches()) {
    return std::nullopt;
  }
  return std::exchange(claimed_, claimed_ + stride());
}

BatchLoader::Result BatchLoader::make(int64_t index) const {
  try {
    return {maker_.make(epoch_, order_, index, is_whole_), nullptr};
  } catch (...) {
    return {Batch{}, std::current_exception()};
  }
}

void BatchLoader::work() {
  while (const auto index = claim()) {
    Result result = make(*index);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      results_.emplace(*index, std::move(result));
    }
    made_.notify_one();
  }
}

}  // namespace bsq
