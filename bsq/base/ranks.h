#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace bsq {

/// The processes that train one network together, each with its part of every batch. Every operation is
/// collective: all ranks call it, in the same order, with tensors of the same shape and type. It ends with
/// the same bits on all of them, and two runs of as many ranks get the same bits. Operations throw
/// bsq::Error where a rank is lost.
class Ranks {
 public:
  virtual ~Ranks() = default;

  /// This process, 0 to count() - 1. Rank 0 decides, prints and writes files.
  virtual int64_t rank() const = 0;
  virtual int64_t count() const = 0;

  /// A collective operation that goes on beside the caller.
  class Work {
   public:
    virtual ~Work() = default;
    virtual void wait() = 0;
  };
  /// Replaces a contiguous tensor by its sum over all ranks. Nobody may touch it before wait().
  virtual std::unique_ptr<Work> start_sum(const torch::Tensor& tensor) = 0;
  /// The tensors of all ranks, by rank.
  virtual std::vector<torch::Tensor> gather(const torch::Tensor& tensor) = 0;
  /// Fills a contiguous tensor with that of rank 0.
  virtual void broadcast(const torch::Tensor& tensor) = 0;

  /// Steps that take about as long as the last one of their kind.
  enum class StepKind { kTraining, kEvaluation };
  /// See StepScope.
  virtual void begin_step(StepKind /*kind*/) {}
  virtual void end_step() {}
};

/// Added by rank: ((t0 + t1) + t2) + ...
torch::Tensor ordered_sum(Ranks& ranks, const torch::Tensor& tensor);
/// The largest of each number.
torch::Tensor largest(Ranks& ranks, const torch::Tensor& tensor);

/// The ranks of this thread's run; null in a run of one process.
Ranks* current_ranks();
/// The same for as long as the object lives. `ranks` outlives it.
class RanksScope {
 public:
  explicit RanksScope(Ranks* ranks);
  ~RanksScope();
  RanksScope(const RanksScope&) = delete;
  RanksScope& operator=(const RanksScope&) = delete;

 private:
  Ranks* before_;
};

/// The ranks over whose images layers take the statistics of a batch in training, as norms do and the ranges
/// of activations; null: over the images at hand. Of this thread: an autograd function takes it along to its
/// backward pass.
Ranks* statistics_ranks();
class StatisticsScope {
 public:
  explicit StatisticsScope(Ranks* ranks);
  ~StatisticsScope();
  StatisticsScope(const StatisticsScope&) = delete;
  StatisticsScope& operator=(const StatisticsScope&) = delete;

 private:
  Ranks* before_;
};

/// While it lives, this thread computes one step and waits for nothing but the other ranks: neither for files
/// nor for whoever reads what is printed. A rank that hangs in a step is found soon. `ranks` may be null.
class StepScope {
 public:
  StepScope(Ranks* ranks, Ranks::StepKind kind);
  ~StepScope();
  StepScope(const StepScope&) = delete;
  StepScope& operator=(const StepScope&) = delete;

 private:
  Ranks* ranks_;
};

}  // namespace bsq
