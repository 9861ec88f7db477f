#include "bsq/infer/parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace bsq::infer {
namespace {

// How often a helper looks for work before it sleeps: layers of one image follow each other within
// microseconds.
constexpr int kLooks = 4000;
constexpr size_t kMostHelpers = 1024;

struct Job {
  const std::function<void(int64_t)>* work;
  int64_t count;
  std::atomic<int64_t> next{0}, done{0};
  int places = 0;  ///< for helpers; guarded by the pool's mutex
  std::mutex mutex;
  std::exception_ptr error;

  void help() {
    for (int64_t i = next++; i < count; i = next++) {
      try {
        (*work)(i);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        error = std::current_exception();
      }
      ++done;
    }
  }
};

class Pool {
 public:
  void run(const std::shared_ptr<Job>& job, int helpers) {
    post(job, helpers);
    job->help();
    withdraw(job);
    while (job->done.load() < job->count) {
      std::this_thread::yield();
    }
    if (job->error) {
      std::rethrow_exception(job->error);
    }
  }

 private:
  void post(const std::shared_ptr<Job>& job, int helpers) {
    const std::lock_guard<std::mutex> lock(mutex_);
    job->places = helpers;
    jobs_.push_back(job);
    open_ += helpers;
    const auto wanted = std::min(static_cast<size_t>(helpers), kMostHelpers);
    try {
      while (helpers_.size() < wanted) {
        helpers_.emplace_back([this] { help_all(); });
      }
    } catch (const std::system_error&) {
      // The system gives no more threads: those that there are do it.
    }
    if (sleeping_ > 0) {
      wake_.notify_all();
    }
  }

  void withdraw(const std::shared_ptr<Job>& job) {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ -= job->places;
    job->places = 0;
    jobs_.erase(std::find(jobs_.begin(), jobs_.end(), job));
  }

  // Null where there is none, and sleeps then if it may.
  std::shared_ptr<Job> take(bool may_sleep) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (may_sleep && open_ == 0) {
      ++sleeping_;
      wake_.wait(lock, [this] { return open_ > 0; });
      --sleeping_;
    }
    for (const auto& job : jobs_) {
      if (job->places > 0) {
        --job->places;
        --open_;
        return job;
      }
    }
    return nullptr;
  }

  [[noreturn]] void help_all() {
    while (true) {
      int looks = 0;
      while (open_ == 0 && looks < kLooks) {
        ++looks;
      }
      if (const auto job = take(/*may_sleep=*/looks == kLooks)) {
        job->help();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Job>> jobs_;
  std::vector<std::thread> helpers_;
  std::atomic<int> open_{0};  ///< places of all jobs
  int sleeping_ = 0;
};

}  // namespace

void for_each(int64_t count, int threads, const std::function<void(int64_t)>& work) {
  if (threads <= 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) {
      work(i);
    }
    return;
  }
  // Never destroyed: its threads run until the process ends, and a forked child has none of them to wait for.
  static Pool& pool = *new Pool;
  const auto job = std::make_shared<Job>();
  job->work = &work;
  job->count = count;
  pool.run(job, static_cast<int>(std::min<int64_t>(threads, count)) - 1);
}

}  // namespace bsq::infer
