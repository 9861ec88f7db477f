#include "bsq/methods/msq/msq_method.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "bsq/base/options.h"
#include "bsq/methods/msq/msq_quantizer.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "bsq/nn/network_sizes.h"

namespace bsq {
namespace {

// The weights that the method trains.
std::vector<std::pair<SourceRef, const MasterWeight*>> trained_weights(torch::nn::Module& network) {
  std::vector<std::pair<SourceRef, const MasterWeight*>> weights;
  for (const auto& ref : coded_sources(network)) {
    const auto* weight = dynamic_cast<const MasterWeight*>(&ref.source());
    if (weight != nullptr && weight->kind() == MsqQuantizer::kKind) {
      weights.emplace_back(ref, weight);
    }
  }
  return weights;
}

// A layer that may lose a bit.
struct Candidate {
  SourceRef ref;
  int64_t bits;
  double percent;  // of weights that use the bit
};

std::vector<Candidate> candidates(torch::nn::Module& network) {
  std::vector<Candidate> found;
  for (const auto& [ref, weight] : trained_weights(network)) {
    if (weight->bits() > kMinBits) {
      const auto codes = weight->quantizer()->codes(weight->tensor());
      found.push_back({ref, weight->bits(), 100 * least_significant_share(codes)});
    }
  }
  return found;
}

void lose_bit(const SourceRef& ref) {
  const auto& weight = dynamic_cast<const MasterWeight&>(ref.source());
  ref.set(std::make_unique<MasterWeight>(weight.tensor(), std::make_unique<MsqQuantizer>(weight.bits() - 1)));
}

// comp after a tensor of so many weights has lost a bit.
double comp_without(const Sizes& sizes, int64_t weights) {
  return 32.0 * static_cast<double>(sizes.weights) / static_cast<double>(sizes.bits_total - weights);
}

}  // namespace

void MsqMethod::add_options(OptionTable& table) {
  constexpr auto kOverride = ResumeRule::kOverride;
  table.add("alpha", &options_.alpha, "strength of the penalty on least significant bits; 0: none")
      .range(0, 1e9)
      .only_training()
      .resume(kOverride);
  table.add("adjust-every", &options_.adjust_every, "epochs after which layers may lose a bit")
      .range(1, 1e6)
      .default_text("1/24 of --epochs")
      .only_training()
      .resume(kOverride);
  table
      .add("lsb-threshold", &options_.threshold,
           "a layer loses its least significant bit when at most this percentage of its weights uses it")
      .range(0, 100)
      .only_training()
      .resume(kOverride);
  table.add("target-comp", &options_.target_comp, "comp to reach; the penalty ends there")
      .range(1, 1e6)
      .default_text("none")
      .only_training()
      .resume(kOverride);
  table
      .add("freeze-at", &options_.freeze_at,
           "part of the epochs after which bit widths stay and the penalty ends")
      .range(0, 1)
      .only_training()
      .resume(kOverride);
}

Parts MsqMethod::parts(const LayerPlace& place, const WeightSource& /*weight*/) const {
  Parts parts;
  if (place.bits > 0 && place.role != LayerRole::kShortcut) {
    parts.weight = std::make_unique<MsqQuantizer>(place.bits);
  }
  return parts;
}

int64_t MsqMethod::interval() const {
  constexpr int64_t kParts = 24;
  return options_.adjust_every.value_or(std::max<int64_t>(1, length_.epochs / kParts));
}

int64_t MsqMethod::last_adjustment() const {
  return std::max<int64_t>(1, std::llround(options_.freeze_at * static_cast<double>(length_.epochs)));
}

std::unique_ptr<Optimizer> MsqMethod::make_optimizer(Network& network, const SgdOptions& options) {
  auto optimizer = Method::make_optimizer(network, options);
  if (!carried_.empty()) {
    optimizer->load(carried_);
    carried_.clear();
  }
  optimizer_ = optimizer.get();
  return optimizer;
}

void MsqMethod::begin(Network& network, const Start& start) {
  Method::begin(network, start);
  start_comp_.fill_(sizes_of(network).comp());
}

bool MsqMethod::before_epoch(Network& network, int64_t epoch) {
  const int64_t last = last_adjustment();
  const bool is_time = epoch > 0 && (epoch == last || (epoch < last && epoch % interval() == 0));
  bool has_lost = false;
  if (is_time && !is_done(network)) {
    torch::NoGradGuard no_grad;
    has_lost = lose_unused_bits(network);
    const double part = static_cast<double>(epoch) / static_cast<double>(last);
    has_lost = (options_.target_comp && reach(network, comp_at(part))) || has_lost;
  }
  end_penalty_if_done(network, epoch);
  if (has_lost) {
    carried_ = optimizer_->state();
  }
  return has_lost;
}

// comp that a run with a target has to have: it grows by the same factor from one adjustment to the next.
double MsqMethod::comp_at(double part) const {
  const double start = start_comp_.item<double>();
  return start * std::pow(std::max(*options_.target_comp / start, 1.0), part);
}

// A bit less for each layer in which few weights use it; those that use it least come first.
bool MsqMethod::lose_unused_bits(Network& network) {
  auto ready = candidates(network);
  std::stable_sort(ready.begin(), ready.end(),
                   [](const Candidate& a, const Candidate& b) { return a.percent < b.percent; });
  bool has_lost = false;
  for (const auto& candidate : ready) {
    if (candidate.percent > options_.threshold || is_done(network) || is_too_much(network, candidate.ref)) {
      continue;
    }
    lose_bit(candidate.ref);
    has_lost = true;
  }
  return has_lost;
}

// A bit less for the layer that has most, and of those the one that uses it least, until the network has that
// comp. One that would take it far beyond comes last.
bool MsqMethod::reach(Network& network, double comp) {
  bool has_lost = false;
  while (sizes_of(network).comp() < comp) {
    auto all = candidates(network);
    if (all.empty()) {
      break;
    }
    const auto rank = [&](const Candidate& candidate) {
      return std::tuple(is_too_much(network, candidate.ref), -candidate.bits, candidate.percent);
    };
    lose_bit(std::min_element(all.begin(), all.end(), [&](const Candidate& a, const Candidate& b) {
               return rank(a) < rank(b);
             })->ref);
    has_lost = true;
  }
  return has_lost;
}

bool MsqMethod::is_done(Network& network) const {
  return options_.target_comp && sizes_of(network).comp() >= *options_.target_comp;
}

// Whether a bit less takes the network further beyond the target than need be.
bool MsqMethod::is_too_much(Network& network, const SourceRef& ref) const {
  constexpr double kOvershoot = 1.03;
  return options_.target_comp &&
         comp_without(sizes_of(network), ref.source().numel()) > kOvershoot * *options_.target_comp;
}

void MsqMethod::end_penalty_if_done(Network& network, int64_t epoch) {
  if (epoch >= last_adjustment() || is_done(network)) {
    has_penalty_.fill_(0);
  }
}

torch::Tensor MsqMethod::loss_term(Network& network) {
  if (options_.alpha == 0 || has_penalty_.item<double>() == 0) {
    return {};
  }
  torch::Tensor sum;
  double weights = 0;
  for (const auto& [ref, weight] : trained_weights(network)) {
    const auto count = static_cast<double>(weight->numel());
    weights += count;
    if (weight->bits() > kMinBits) {
      const auto part = least_significant_part(weight->tensor(), weight->bits()) * count;
      sum = sum.defined() ? sum + part : part;
    }
  }
  return sum.defined() ? sum * (options_.alpha / weights) : sum;
}

std::vector<double> MsqMethod::measure(Network& network, const StepSums& /*sums*/, double /*steps*/,
                                       const Sizes& sizes) const {
  torch::NoGradGuard no_grad;
  double used = 0, all = 0;
  for (const auto& [ref, weight] : trained_weights(network)) {
    const auto count = static_cast<double>(weight->numel());
    used += count * least_significant_share(weight->quantizer()->codes(weight->tensor()));
    all += count;
  }
  return {all > 0 ? 100 * used / all : 0, sizes.comp()};
}

void register_msq() {
  register_weight_source(MsqQuantizer::kKind, MsqQuantizer::load);
  register_method({MsqQuantizer::kKind,
                   "trains float weights with a penalty on least significant bits; layers lose bits",
                   "Han et al., ICCV 2025, arXiv 2507.22349", [] { return std::make_unique<MsqMethod>(); }});
}

}  // namespace bsq
