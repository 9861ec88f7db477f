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
///
/// Of several processes each has its share (LoaderShare). Where whole batches are shared out, next() gives
/// those of this process alone.
class BatchLoader {
 public:
  /// Throws what BatchMaker throws.
  BatchLoader(ImageDataset data, LoaderOptions options);
  /// Abandons what is under way.
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// Batches in an epoch, of all ranks together; 0 where drop_last leaves none.
  int64_t batches() const { return maker_.batches(); }
  /// Whether a batch, of all ranks together, has fewer images than the others: the last one may.
  bool is_short(int64_t batch) const { return maker_.is_short(batch); }
  /// Whether next() leaves out batches that other ranks have.
  bool shares_batches() const { return stride() > 1; }

  /// Begins an epoch at one of its batches and abandons what is under way. Throws std::invalid_argument for a
  /// negative epoch or a batch outside [0, batches()].
  void start(int64_t epoch, int64_t first_batch = 0) { begin(epoch, first_batch, /*is_whole=*/false); }
  /// The same with whole batches, for what every rank does alike.
  void start_whole(int64_t epoch) { begin(epoch, /*first_batch=*/0, /*is_whole=*/true); }

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

  void begin(int64_t epoch, int64_t first_batch, bool is_whole);
  int64_t stride() const {
    return share_.kind == LoaderShare::Kind::kBatches && !is_whole_ ? share_.ranks : 1;
  }
  void work();
  std::optional<int64_t> claim();
  Result make(int64_t index) const;
  Batch take();
  bool is_at_end();
  void stop();

  const BatchMaker maker_;
  const int64_t worker_count_;
  const LoaderShare share_;
  bool started_ = false;
  bool gave_images_ = false;  // since start, or before it in its epoch
  double wait_seconds_ = 0;
  int64_t epoch_ = 0;  // as order_ and is_whole_, written only while no worker runs
  bool is_whole_ = false;
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
