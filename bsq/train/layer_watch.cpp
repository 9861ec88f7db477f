#include "bsq/train/layer_watch.h"

#include <torch/utils.h>

#include <algorithm>
#include <limits>

#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

double mean_magnitude(const Codes& codes) {
  auto integers = codes.integers.to(torch::kFloat64);
  if (codes.zero_point.defined()) {
    integers = integers - along_channels(codes.zero_point, integers).to(torch::kFloat64);
  }
  return integers.abs().mean().item<double>();
}

}  // namespace

void LayerWatch::begin(Network& network) {
  counts_ = torch::zeros({1 + static_cast<int64_t>(coded_sources(network).size())}, torch::kFloat64);
}

void LayerWatch::before_step(Network& network, int64_t index, int64_t steps) {
  integers_.clear();
  if (index % std::max<int64_t>(1, steps / kSamples) == 0) {
    for (const auto& ref : coded_sources(network)) {
      integers_.push_back(ref.source().codes()->integers);
    }
  }
}

void LayerWatch::after_step(Network& network) {
  if (integers_.empty()) {
    return;
  }
  auto* count = counts_.data_ptr<double>();
  *count++ += 1;
  const auto sources = coded_sources(network);
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto changed = sources[i].source().codes()->integers.ne(integers_.at(i));
    count[i] += changed.sum().item<double>() / static_cast<double>(changed.numel());
  }
}

std::vector<LayerRecord> LayerWatch::records(Network& network) const {
  const auto* count = counts_.data_ptr<double>();
  const double steps = *count++;
  std::vector<LayerRecord> records;
  for (const auto& ref : coded_sources(network)) {
    const auto codes = *ref.source().codes();
    const double changed = *count++;
    records.push_back({ref.name, codes.format.bits, codes.scale.to(torch::kFloat64).mean().item<double>(),
                       mean_magnitude(codes),
                       steps > 0 ? 100 * changed / steps : std::numeric_limits<double>::quiet_NaN()});
  }
  return records;
}

}  // namespace bsq
