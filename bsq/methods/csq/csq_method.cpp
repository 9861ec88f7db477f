#include "bsq/methods/csq/csq_method.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "bsq/base/options.h"
#include "bsq/methods/csq/csq_optimizer.h"
#include "bsq/methods/csq/csq_weight.h"
#include "bsq/methods/frozen/grid_optimizer.h"
#include "bsq/methods/kept_norms.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "bsq/quant/sign_magnitude.h"

namespace bsq {
namespace {

constexpr double kFloatBits = 32;

std::vector<std::pair<SourceRef, CsqWeight*>> soft_weights(torch::nn::Module& network) {
  std::vector<std::pair<SourceRef, CsqWeight*>> weights;
  for (const auto& ref : coded_sources(network)) {
    if (auto* weight = dynamic_cast<CsqWeight*>(&ref.source())) {
      weights.emplace_back(ref, weight);
    }
  }
  return weights;
}

// The mean count of planes that are on, weighted by weights; of a hard network, of bits.
double mean_bits(torch::nn::Module& network) {
  double bits = 0, weights = 0;
  for (const auto& ref : coded_sources(network)) {
    const auto* soft = dynamic_cast<const CsqWeight*>(&ref.source());
    const auto count = static_cast<double>(ref.source().numel());
    bits += count * static_cast<double>(soft != nullptr ? soft->bits_on() : ref.source().bits());
    weights += count;
  }
  return weights > 0 ? bits / weights : 0;
}

}  // namespace

void CsqMethod::add_options(OptionTable& table) {
  constexpr auto kOverride = ResumeRule::kOverride;
  table
      .add("target-comp", &options_.target_comp,
           "comp that the budget term drives the network to: 32 over the mean bit width")
      .range(1, 1e6)
      .only_training()
      .resume(kOverride);
  table.add("budget-strength", &options_.strength, "strength of the budget term; the paper has 0.001")
      .range(0, 1e6)
      .only_training()
      .resume(kOverride);
  table
      .add("last-temperature", &options_.last_temperature,
           "temperature of the sigmoids where they become hard; it begins at 1")
      .range(1, 1e6)
      .only_training()
      .resume(kOverride);
  table
      .add("freeze-at", &options_.freeze_at,
           "part of the epochs after which planes and masks are hard, and the run finetunes")
      .range(0, 1)
      .only_training()
      .resume(kOverride);
}

void CsqMethod::begin(Network& network, const Start& start) {
  if (!soft_weights(network).empty()) {
    return;
  }
  if (!is_float(network)) {
    throw std::invalid_argument(refusal_of_bits(network, name()));
  }
  const auto places = layer_places(network, start.rules);
  for (const auto& ref : sources_of(network)) {
    const auto path = ref.name.substr(0, ref.name.rfind('.'));
    const auto place = std::find_if(places.begin(), places.end(),
                                    [&](const LayerPlace& candidate) { return candidate.path == path; });
    if (!ref.is_bias && place != places.end() && place->bits > 0 && place->role != LayerRole::kShortcut) {
      ref.set(CsqWeight::of(ref.source().value(), place->bits));
    }
  }
}

void CsqMethod::adopt(Network& network) {
  norms_ = soft_weights(network).empty() ? kept_norms(network) : std::map<std::string, torch::Tensor>();
}

std::unique_ptr<Optimizer> CsqMethod::make_optimizer(Network& network, const SgdOptions& options) {
  if (soft_weights(network).empty()) {
    norms_ = norms_.empty() ? kept_norms(network) : norms_;
    return std::make_unique<GridOptimizer>(network, options, norms_);
  }
  return std::make_unique<CsqOptimizer>(network, options);
}

int64_t CsqMethod::last_soft_epoch() const {
  return std::max<int64_t>(1, std::llround(options_.freeze_at * static_cast<double>(length_.epochs)));
}

double CsqMethod::temperature_at(int64_t epoch) const {
  const double part = static_cast<double>(epoch) / static_cast<double>(last_soft_epoch());
  return std::pow(options_.last_temperature, std::min(part, 1.0));
}

Slots CsqMethod::state() { return norm_slots(norms_); }

bool CsqMethod::before_epoch(Network& network, int64_t epoch) {
  if (epoch >= last_soft_epoch()) {
    return harden(network);
  }
  for (const auto& [ref, weight] : soft_weights(network)) {
    weight->set_temperature(temperature_at(epoch));
  }
  return false;
}

// True where something was soft.
bool CsqMethod::harden(Network& network) const {
  torch::NoGradGuard no_grad;
  const auto weights = soft_weights(network);
  for (const auto& [ref, weight] : weights) {
    ref.set(make_frozen(without_empty_digits(*weight->codes())));
  }
  return !weights.empty();
}

// The paper's equation of the budget: strength (bits - target) sum of masks, the difference without a
// gradient.
torch::Tensor CsqMethod::loss_term(Network& network) {
  torch::Tensor sum;
  for (const auto& [ref, weight] : soft_weights(network)) {
    const auto bits = weight->soft_bits();
    sum = sum.defined() ? sum + bits : bits;
  }
  if (!sum.defined() || options_.strength == 0) {
    return {};
  }
  return sum * (options_.strength * (mean_bits(network) - kFloatBits / options_.target_comp));
}

std::vector<double> CsqMethod::measure(Network& network, const StepSums& /*sums*/, double /*steps*/,
                                       const Sizes& sizes) const {
  const auto weights = soft_weights(network);
  const double temperature =
      weights.empty() ? options_.last_temperature : weights.front().second->slots()[4].tensor.item<double>();
  return {mean_bits(network), temperature, sizes.comp()};
}

void register_csq() {
  register_weight_source(CsqWeight::kKind, CsqWeight::load);
  register_method(
      {CsqWeight::kKind,
       "trains sigmoids of bit planes and of masks that become hard; a budget sets the bit widths",
       "Xiao et al., DAC 2023, arXiv 2212.02770", [] { return std::make_unique<CsqMethod>(); }});
}

}  // namespace bsq
