#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "bsq/data/batch_maker.h"

namespace bsq {

/// Makes the batches of an epoch ahead of their use, on threads of its own, a few at a time. What it gives
/// depends on (data, options, epoch) alone, not on the number of workers; so a run resumes at any batch
/// without stored state. start, next and wait_seconds are called from one thread.
class BatchLoader {
 public:
  /// Throws std::invalid_argument for an empty or ill-formed data set and for options out of range.
  BatchLoader(ImageDataset data, LoaderOptions options);
  /// Abandons what is under way.
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// Batches in an epoch; 0 where drop_last leaves none.
  int64_t batches() const { return maker_.batches(); }

  /// Begins an epoch at one of its batches and abandons what is under way. Throws std::invalid_argument for a
  /// negative epoch or a batch outside [0, batches()].
  void start(int64_t epoch, int64_t first_batch = 0);

  /// The next batch of the epoch that has images, in order; waits for it. Nothing after the last one. Throws
  /// bsq::Error where the images of all batches since start are damaged. What went wrong while a
  /// batch was made is thrown here, where that batch would come, again and again until start. Throws
  /// std::logic_error before the first start.
  std::optional<Batch> next();

  /// Seconds that next() has waited for batches (or made them, without workers) since start.
  double wait_seconds() const { return wait_seconds_; }

 private:
  struct Result {
    Batch batch;
    std::exception_ptr error;
  };

  void work();
  std::optional<int64_t> claim();
  Result make(int64_t index) const;
  Batch take();
  bool is_at_end();
  void stop();

  const BatchMaker maker_;
  const int64_t worker_count_;
  bool started_ = false;
  bool gave_images_ = false;  // since start, or before it in its epoch
  double wait_seconds_ = 0;
  int64_t epoch_ = 0;  // as order_, written only while no worker runs
  std::vector<int64_t> order_;

  std::mutex mutex_;  // guards all that follows but the threads
  std::condition_variable room_;
  std::condition_variable made_;
  std::map<int64_t, Result> results_;
  int64_t claimed_ = 0;  // the first batch that no worker has taken on
  int64_t given_ = 0;    // the first batch that next() has not given
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace bsq
