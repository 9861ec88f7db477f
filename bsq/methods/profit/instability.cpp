#include "bsq/methods/profit/instability.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "bsq/nn/quant_layer.h"

namespace bsq {
namespace {

constexpr double kKept = 0.999;
constexpr double kMostDivergence = 1;

// (C, B H W), float64.
torch::Tensor by_channel(const torch::Tensor& output) {
  return output.detach().to(torch::kFloat64).transpose(0, 1).flatten(/*start_dim=*/1);
}

}  // namespace

double output_divergence(const torch::Tensor& now, const torch::Tensor& before) {
  torch::NoGradGuard no_grad;
  const auto x = by_channel(now), y = by_channel(before);
  const auto mean = x.mean(/*dim=*/1), mean_before = y.mean(/*dim=*/1);
  const auto std = x.std(/*dim=*/1, /*unbiased=*/true), std_before = y.std(/*dim=*/1, /*unbiased=*/true);
  const auto divergence = (std_before / std).log() +
                          (std.square() + (mean - mean_before).square()) / (2 * std_before.square()) - 0.5;
  const auto counted = divergence.masked_select((std > 0).logical_and(std_before > 0));
  return counted.numel() == 0 ? std::nan("") : counted.mean().item<double>();
}

InstabilityMeter::InstabilityMeter(Network& network) {
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    if (auto conv = std::dynamic_pointer_cast<QuantConv2dImpl>(item.value())) {
      layers_.push_back({item.key(), std::move(conv), {}, {}});
    }
  }
  metric_ = torch::zeros({static_cast<int64_t>(layers_.size())}, torch::kFloat64);
  has_before_ = torch::zeros({}, torch::kFloat64);
}

InstabilityMeter::~InstabilityMeter() { stop(); }

void InstabilityMeter::start() {
  torch::NoGradGuard no_grad;
  is_measuring_ = true;
  has_before_.zero_();
  for (size_t i = 0; i < layers_.size(); ++i) {
    auto& watched = layers_[i];
    if (!watched.layer->weight_source().is_float()) {
      watched.before = torch::zeros_like(watched.layer->weight_source().value());
      watched.layer->set_probe([this, i](const torch::Tensor& input, const torch::Tensor& weight,
                                         const torch::Tensor& output) { see(i, input, weight, output); });
    }
  }
}

void InstabilityMeter::stop() {
  is_measuring_ = false;
  for (auto& watched : layers_) {
    watched.layer->set_probe(nullptr);
    watched.before = watched.now = torch::Tensor();
  }
}

void InstabilityMeter::end_step() {
  torch::NoGradGuard no_grad;
  for (auto& watched : layers_) {
    if (watched.now.defined()) {
      watched.before.copy_(watched.now);
    }
  }
  has_before_.fill_(1);
}

void InstabilityMeter::see(size_t index, const torch::Tensor& input, const torch::Tensor& weight,
                           const torch::Tensor& output) {
  auto& watched = layers_[index];
  if (!watched.layer->is_training() || !torch::GradMode::is_enabled()) {
    return;
  }
  torch::NoGradGuard no_grad;
  watched.now = weight.detach();
  if (has_before_.item<double>() == 0) {
    return;
  }
  const auto* bias = watched.layer->bias_source();
  const auto before =
      watched.layer->convolve(input, watched.before.to(input.scalar_type()),
                              bias == nullptr ? torch::Tensor() : bias->value().to(input.scalar_type()));
  const double divergence = output_divergence(output, before);
  if (divergence <= kMostDivergence) {
    auto own = metric_[static_cast<int64_t>(index)];
    own.mul_(kKept).add_((1 - kKept) * divergence);
  }
}

std::vector<std::string> InstabilityMeter::paths() const {
  std::vector<std::string> paths;
  for (const auto& watched : layers_) {
    paths.push_back(watched.path);
  }
  return paths;
}

std::vector<std::string> InstabilityMeter::most_unstable(int64_t count) const {
  std::vector<size_t> order;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (!layers_[i].layer->weight_source().is_float()) {
      order.push_back(i);
    }
  }
  const auto* values = metric_.data_ptr<double>();
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  std::vector<std::string> paths;
  for (size_t i = 0; i < std::min(order.size(), static_cast<size_t>(count)); ++i) {
    paths.push_back(layers_[order[i]].path);
  }
  return paths;
}

int64_t InstabilityMeter::quantized() const {
  return std::count_if(layers_.begin(), layers_.end(),
                       [](const Watched& watched) { return !watched.layer->weight_source().is_float(); });
}

Slots InstabilityMeter::state() const {
  Slots slots = {{"metric", metric_, Slot::Role::kTracked}};
  if (is_measuring_) {
    slots.push_back({"has_before", has_before_, Slot::Role::kTracked});
    for (const auto& watched : layers_) {
      if (watched.before.defined()) {
        slots.push_back({"before." + watched.path, watched.before, Slot::Role::kTracked});
      }
    }
  }
  return slots;
}

}  // namespace bsq
