#include "bsq/train/gradient_exchange.h"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/utils.h>

#include <utility>

#include "bsq/nn/layers_of.h"

namespace bsq {

struct GradientExchange::Bucket {
  std::vector<torch::Tensor> leaves;
  torch::Tensor flat;  ///< the gradients one behind the other
  int64_t numel = 0;
  size_t missing = 0;  ///< leaves without their gradient of this step
  std::unique_ptr<Ranks::Work> work;
};

/// Runs after autograd has added a leaf's gradient of one backward pass.
class GradientExchange::Hook : public torch::autograd::FunctionPostHook {
 public:
  Hook(GradientExchange& exchange, size_t bucket) : exchange_(exchange), bucket_(bucket) {}
  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                            const torch::autograd::variable_list& /*inputs*/) override {
    exchange_.arrived(bucket_);
    return outputs;
  }

 private:
  GradientExchange& exchange_;
  size_t bucket_;
};

struct GradientExchange::Watched {
  std::shared_ptr<torch::autograd::Node> accumulator;
  uintptr_t key;
};

GradientExchange::GradientExchange(Network& network, Ranks& ranks, int64_t bucket_bytes) : ranks_(ranks) {
  const auto leaves = gradient_leaves(network);
  for (auto leaf = leaves.rbegin(); leaf != leaves.rend(); ++leaf) {
    add(*leaf, bucket_bytes);
  }
  for (auto& bucket : buckets_) {
    bucket->flat = torch::zeros({bucket->numel}, bucket->leaves.front().options().requires_grad(false));
  }
}

GradientExchange::~GradientExchange() {
  for (const auto& watched : watched_) {
    watched->accumulator->del_post_hook(watched->key);
  }
}

void GradientExchange::add(const torch::Tensor& leaf, int64_t bucket_bytes) {
  const bool is_full = buckets_.empty() ||
                       buckets_.back()->numel * static_cast<int64_t>(leaf.element_size()) >= bucket_bytes ||
                       !buckets_.back()->leaves.front().options().type_equal(leaf.options());
  if (is_full) {
    buckets_.push_back(std::make_unique<Bucket>());
  }
  auto& bucket = *buckets_.back();
  bucket.leaves.push_back(leaf);
  bucket.numel += leaf.numel();
  auto accumulator = torch::autograd::impl::grad_accumulator(leaf);
  const auto key = accumulator->add_post_hook(std::make_unique<Hook>(*this, buckets_.size() - 1));
  watched_.push_back(std::make_unique<Watched>(Watched{std::move(accumulator), key}));
}

void GradientExchange::begin() {
  for (auto& bucket : buckets_) {
    bucket->missing = bucket->leaves.size();
  }
  started_ = 0;
  is_open_ = true;
}

void GradientExchange::arrived(size_t index) {
  if (is_open_ && buckets_[index]->missing > 0) {
    --buckets_[index]->missing;
    start_ready();
  }
}

void GradientExchange::start_ready() {
  while (started_ < buckets_.size() && buckets_[started_]->missing == 0) {
    start(*buckets_[started_++]);
  }
}

void GradientExchange::start(Bucket& bucket) {
  torch::NoGradGuard no_grad;
  int64_t first = 0;
  for (const auto& leaf : bucket.leaves) {
    auto part = bucket.flat.narrow(/*dim=*/0, first, leaf.numel()).view(leaf.sizes());
    leaf.grad().defined() ? part.copy_(leaf.grad()) : part.zero_();
    first += leaf.numel();
  }
  bucket.work = ranks_.start_sum(bucket.flat);
}

void GradientExchange::finish() {
  torch::NoGradGuard no_grad;
  is_open_ = false;
  while (started_ < buckets_.size()) {
    start(*buckets_[started_++]);
  }
  for (auto& bucket : buckets_) {
    std::exchange(bucket->work, nullptr)->wait();
    int64_t first = 0;
    for (const auto& leaf : bucket->leaves) {
      if (leaf.grad().defined()) {
        leaf.grad().copy_(bucket->flat.narrow(/*dim=*/0, first, leaf.numel()).view(leaf.sizes()));
      }
      first += leaf.numel();
    }
  }
}

}  // namespace bsq
