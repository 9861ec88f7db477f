#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bsq/nn/network.h"
#include "bsq/nn/quant_conv2d.h"
#include "bsq/quant/slot.h"

namespace bsq {

/// How far a step has moved a convolution's output (B, C, H, W): the divergence of `now` from `before`, which
/// the weights of the step before make of the same input. For each channel, with mean m and standard
/// deviation s (N-1) of `now`, m' and s' of `before`,
///     KL = ln(s' / s) + (s^2 + (m - m')^2) / (2 s'^2) - 1/2,
/// averaged over the channels whose s and s' are not 0. Without such channels NaN. No gradient.
double output_divergence(const torch::Tensor& now, const torch::Tensor& before);

/// PROFIT's measure of Activation Instability by Weight Quantization (AIWQ): for each quantized convolution a
/// moving average of output_divergence(), 0.999 of the old and 0.001 of the new, from 0. What is above 1 is
/// left out.
///
/// While it measures, it sees every forward pass with gradients of a network in training mode. PROFIT
/// starts it anew with each epoch. Where several forward passes precede a step, each counts.
class InstabilityMeter {
 public:
  /// Of the network's convolutions. Only those whose weights are quantized when start() is called are
  /// measured.
  explicit InstabilityMeter(Network& network);
  ~InstabilityMeter();
  InstabilityMeter(const InstabilityMeter&) = delete;
  InstabilityMeter& operator=(const InstabilityMeter&) = delete;

  /// Measures from here on; the first step has none before it.
  void start();
  void stop();
  void end_step();

  /// One number a convolution, float64.
  const torch::Tensor& metric() const { return metric_; }
  /// Paths of the convolutions, in the order of metric().
  std::vector<std::string> paths() const;
  /// The `count` most unstable quantized convolutions, by metric, falling; of equal ones the first.
  std::vector<std::string> most_unstable(int64_t count) const;
  /// How many convolutions are quantized now.
  int64_t quantized() const;
  /// What a resumed run needs: the metric, and where it measures, the weights of the step before.
  Slots state() const;

 private:
  struct Watched {
    std::string path;
    std::shared_ptr<QuantConv2dImpl> layer;
    torch::Tensor before, now;  // quantized weights
  };

  void see(size_t index, const torch::Tensor& input, const torch::Tensor& weight,
           const torch::Tensor& output);

  std::vector<Watched> layers_;
  torch::Tensor metric_, has_before_;
  bool is_measuring_ = false;
};

}  // namespace bsq
