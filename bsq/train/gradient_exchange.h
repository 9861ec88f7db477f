#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "bsq/base/ranks.h"
#include "bsq/nn/network.h"

namespace bsq {

/// Sums the gradients of all ranks while the backward pass goes on: as soon as the tensors of a bucket have
/// theirs, its sum starts. What is summed is what autograd collects: dL/dW of a weight in bit planes, not the
/// planes' gradients. Buckets are filled from the network's end and always started in that order, so that all
/// ranks do the same.
///
/// Of a network as it is now: whoever puts other weight sources in place makes a new one.
class GradientExchange {
 public:
  /// Bytes of gradients in a bucket, about.
  static constexpr int64_t kBucketBytes = 1 << 20;

  /// `ranks` outlives it.
  GradientExchange(Network& network, Ranks& ranks, int64_t bucket_bytes = kBucketBytes);
  ~GradientExchange();
  GradientExchange(const GradientExchange&) = delete;
  GradientExchange& operator=(const GradientExchange&) = delete;

  /// Before the backward pass, with gradients cleared.
  void begin();
  /// After it: every gradient is the sum over the ranks. A tensor that this rank has no gradient of keeps
  /// none.
  void finish();

 private:
  struct Bucket;
  class Hook;
  struct Watched;

  void add(const torch::Tensor& leaf, int64_t bucket_bytes);
  void arrived(size_t bucket);
  void start_ready();
  void start(Bucket& bucket);

  Ranks& ranks_;
  std::vector<std::unique_ptr<Bucket>> buckets_;
  std::vector<std::unique_ptr<Watched>> watched_;
  size_t started_ = 0;
  bool is_open_ = false;
};

}  // namespace bsq
