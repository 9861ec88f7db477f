#include "bsq/methods/msq/msq_method.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
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
  double percent;    // of weights that use the bit
  bool is_too_much;  // whether the network would become much smaller than wanted

  bool operator<(const Candidate& other) const {
    return std::pair(is_too_much, percent) < std::pair(other.is_too_much, other.percent);
  }
};

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
  table
      .add("target-comp", &options_.target_comp,
           "comp that the network is to have in the end; the penalty ends there")
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

bool MsqMethod::before_epoch(Network& network, int64_t epoch) {
  const int64_t last = last_adjustment();
  const bool is_time = epoch > 0 && (epoch == last || (epoch < last && epoch % interval() == 0));
  const bool has_lost = is_time && lose_bits(network, /*is_last=*/epoch == last);
  end_penalty_if_done(network, epoch);
  return has_lost;
}

// Layers whose least significant bit few weights use lose it: those first that use it least, until the
// network is small enough. At the last adjustment a target is reached, however many weights use the bit.
bool MsqMethod::lose_bits(Network& network, bool is_last) {
  torch::NoGradGuard no_grad;
  carried_ = optimizer_->state();
  const double limit = is_last && options_.target_comp ? 100 : options_.threshold;
  std::set<std::string> adjusted;
  while (!is_done(network)) {
    const auto sizes = sizes_of(network);
    std::optional<Candidate> best;
    for (const auto& [ref, weight] : trained_weights(network)) {
      const auto codes = weight->quantizer()->codes(weight->tensor());
      const Candidate next{ref, 100 * least_significant_share(codes), is_too_much(sizes, weight->numel())};
      const bool may_lose = weight->bits() > kMinBits && next.percent <= limit;
      // Outside the last adjustment a layer loses one bit at a time: then its weights adapt.
      if (may_lose && (is_last || adjusted.count(ref.name) == 0) && (!best || next < *best)) {
        best = next;
      }
    }
    if (!best) {
      break;
    }
    const auto& weight = dynamic_cast<const MasterWeight&>(best->ref.source());
    auto quantizer = std::make_unique<MsqQuantizer>(weight.bits() - 1);
    adjusted.insert(best->ref.name);
    best->ref.set(std::make_unique<MasterWeight>(weight.tensor(), std::move(quantizer)));
  }
  if (adjusted.empty()) {
    carried_.clear();
  }
  return !adjusted.empty();
}

bool MsqMethod::is_done(Network& network) const {
  return options_.target_comp && sizes_of(network).comp() >= *options_.target_comp;
}

// Whether a bit less for so many weights takes the network further below the target than need be.
bool MsqMethod::is_too_much(const Sizes& sizes, int64_t weights) const {
  constexpr double kOvershoot = 1.03;
  const double bits = static_cast<double>(sizes.bits_total - weights);
  return options_.target_comp &&
         32.0 * static_cast<double>(sizes.weights) / bits > kOvershoot * *options_.target_comp;
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
