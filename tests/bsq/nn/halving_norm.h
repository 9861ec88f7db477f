#pragma once

#include <torch/types.h>

#include <memory>

#include "bsq/nn/norm_factory.h"

namespace bsq::test {

/// x / 2 + shift, one shift a channel: a norm that is easy to follow.
class HalvingNorm : public NormModule {
 public:
  explicit HalvingNorm(int64_t channels) : shift_(torch::zeros({channels}).set_requires_grad(true)) {
    register_slots();
  }
  torch::Tensor forward(const torch::Tensor& x) override { return x / 2 + shift_.view({1, -1, 1, 1}); }
  void take(const torch::nn::BatchNorm2dImpl& norm) override { shift_.copy_(norm.bias); }
  void begin_estimate() override {}
  void end_estimate() override {}
  Slots slots() const override { return {{"shift", shift_, Slot::Role::kTrained}}; }

 private:
  torch::Tensor shift_;
};

/// Makes the kind "halving" known; any number of times.
inline void register_halving_norm() {
  static const bool is_done = [] {
    register_norm("halving", [](int64_t channels, const NetworkDescription&) {
      return std::make_shared<HalvingNorm>(channels);
    });
    return true;
  }();
  static_cast<void>(is_done);
}

}  // namespace bsq::test
