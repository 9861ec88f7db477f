#include "bsq/methods/bsq/bsq_method.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/kept_norms.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"

namespace bsq {
namespace {

constexpr const char* kPenaltySum = "penalty";

}  // namespace

void BsqMethod::add_options(OptionTable& table) {
  constexpr auto kOverride = ResumeRule::kOverride;
  table
      .add("alpha", &options_.alpha,
           "strength of the penalty on bit planes, the sum of their group norms; 0: none")
      .alias("decay")
      .yielding_word("L1", "0.01")
      .range(0, 1e9)
      .only_training()
      .resume(kOverride);
  table.add("adjust-every", &options_.adjust_every, "epochs between precision adjustments")
      .alias("Prun_Int")
      .range(1, 1e6)
      .default_text("1/24 of --epochs; 50 with --step-rule published")
      .only_training()
      .resume(kOverride);
  table
      .add("step-rule", &options_.step_rule,
           "size of a step of the planes: relative, the weight moves as far as a float weight would; "
           "published, the published rule")
      .one_of({"relative", "published"})
      .only_training()
      .resume(ResumeRule::kFixed);
  const auto alone = [this] {
    const int given = (options_.target_comp ? 1 : 0) + (options_.target_stored ? 1 : 0) +
                      (options_.target_kilobytes ? 1 : 0);
    return given > 1 ? "only one target can be given" : (is_relative() ? "" : "needs --step-rule relative");
  };
  table.add("target-comp", &options_.target_comp, "comp that the network is to have in the end")
      .range(1, 1e6)
      .needs(alone)
      .only_training()
      .resume(kOverride);
  table.add("target-stored", &options_.target_stored, "comp_stored that the network is to have in the end")
      .range(1, 1e6)
      .needs(alone)
      .only_training()
      .resume(kOverride);
  table
      .add("target-kb", &options_.target_kilobytes, "kilobytes that the stored network is to have in the end")
      .range(1e-3, 1e12)
      .needs(alone)
      .only_training()
      .resume(kOverride);
  table
      .add("freeze-at", &options_.freeze_at,
           "part of the epochs after which bit widths stay as they are; a target is reached there")
      .range(0, 1)
      .needs([this] { return is_relative() ? "" : "needs --step-rule relative"; })
      .only_training()
      .resume(kOverride);
  table
      .add("drop-threshold", &options_.drop_threshold,
           "an adjustment drops a plane in which at most this percentage of the weights has a non-zero digit")
      .alias("thre")
      .range(0, 99.999)
      .only_training()
      .resume(kOverride);
  table.add("max-bits", &options_.max_bits, "bit width that re-quantization may grow to")
      .range(kMinBits, kMaxBits)
      .resume(kOverride);
}

void BsqMethod::check_rules(const LayerRules& rules) const {
  const auto refuse = [&](const std::string& named, int64_t bits) {
    if (bits > options_.max_bits) {
      throw std::invalid_argument(named + std::to_string(bits) + ": expected at most --max-bits, " +
                                  std::to_string(options_.max_bits));
    }
  };
  refuse("--bits ", rules.bits());
  for (const auto& [pattern, bits] : rules.layer_bits()) {
    refuse("--layer-bits " + pattern + "=", bits);
  }
}

std::string BsqMethod::remark(int64_t epochs) const {
  const int64_t every = interval(epochs);
  return every < epochs ? ""
                        : "--adjust-every " + std::to_string(every) + ": " + std::to_string(epochs) +
                              " epochs have no adjustment but those at both ends";
}

void BsqMethod::begin(Network& network, const Start& start) {
  if (is_float(network)) {
    to_bits(network, start.rules);
  }
  to_planes(network);
  adjust(network, /*threshold=*/0);
  take_numbers(network);
  if (const auto wanted = target()) {
    start_excess_.fill_(wanted->excess(sizes_of(network)));
  }
}

void BsqMethod::adopt(Network& network) {
  to_planes(network);
  take_numbers(network);
}

void BsqMethod::plan(const RunLength& length) { length_ = length; }

int64_t BsqMethod::interval(int64_t epochs) const {
  constexpr int64_t kPublished = 50;
  constexpr int64_t kParts = 24;
  return options_.adjust_every.value_or(is_relative() ? std::max<int64_t>(1, epochs / kParts) : kPublished);
}

std::optional<SizeTarget> BsqMethod::target() const {
  if (options_.target_comp) {
    return SizeTarget{SizeTarget::Measure::kComp, *options_.target_comp};
  }
  if (options_.target_stored) {
    return SizeTarget{SizeTarget::Measure::kStored, *options_.target_stored};
  }
  if (options_.target_kilobytes) {
    return SizeTarget{SizeTarget::Measure::kKilobytes, *options_.target_kilobytes};
  }
  return std::nullopt;
}

// What the optimizer reads and writes beside the planes.
void BsqMethod::take_numbers(Network& network) {
  torch::NoGradGuard no_grad;
  rule_ = published_rule(options_.alpha);
  if (!is_relative()) {
    return;
  }
  rule_.step = StepRule::kRelative;
  rule_.has_penalty = rule_number(1);
  rule_.norms = kept_norms(network);
  for (const auto& [name, weight] : plane_weights(network)) {
    rule_.sensitivities[name] = rule_number(0, weight->planes().positive.device());
  }
}

Slots BsqMethod::state() {
  if (!is_relative()) {
    return {};
  }
  auto slots = norm_slots(rule_.norms);
  slots.push_back({"has_penalty", rule_.has_penalty});
  slots.push_back({"start_excess", start_excess_});
  for (const auto& [name, tensor] : rule_.sensitivities) {
    slots.push_back({"sensitivity." + name, tensor});
  }
  return slots;
}

std::unique_ptr<Optimizer> BsqMethod::make_optimizer(Network& network, const SgdOptions& options) {
  if (rule_.sensitivities.empty()) {
    take_numbers(network);
  }
  auto optimizer = std::make_unique<PlaneOptimizer>(network, options, rule_);
  if (!carried_.empty()) {
    optimizer->take_momenta_of_values(carried_);
    carried_.clear();
  }
  optimizer_ = optimizer.get();
  return optimizer;
}

// Bit widths shrink by the same factor from one adjustment to the next.
bool BsqMethod::before_epoch_relative(Network& network, int64_t epoch) {
  const auto last =
      std::max<int64_t>(1, std::llround(options_.freeze_at * static_cast<double>(length_.epochs)));
  if (epoch == 0 || epoch > last || (epoch % interval(length_.epochs) != 0 && epoch != last)) {
    return false;
  }
  carried_ = optimizer_->momenta_of_values();
  const auto wanted = target();
  adjust_real_network(network, wanted ? 0 : options_.max_bits, options_.drop_threshold);
  if (wanted) {
    const double done = static_cast<double>(epoch) / static_cast<double>(last);
    fit_to_size(network, *wanted, std::pow(std::max(start_excess_.item<double>(), 1.0), 1 - done),
                rule_.sensitivities);
  }
  if (epoch == last) {
    empty_zero_weights(network);
    rule_.has_penalty.fill_(0);
  }
  return true;
}

bool BsqMethod::before_epoch(Network& network, int64_t epoch) {
  if (is_relative()) {
    return before_epoch_relative(network, epoch);
  }
  if (epoch % interval(length_.epochs) != 0) {
    return false;
  }
  adjust(network, options_.drop_threshold);
  return true;
}

void BsqMethod::after_step(Network& /*network*/, StepSums& sums) {
  sums[kPenaltySum] += optimizer_->group_norms();
}

std::vector<double> BsqMethod::measure(Network& /*network*/, const StepSums& sums, double steps,
                                       const Sizes& sizes) const {
  const auto found = sums.find(kPenaltySum);
  return {found == sums.end() ? 0.0 : found->second / steps, sizes.comp()};
}

bool BsqMethod::end(Network& network) {
  if (is_relative()) {
    if (const auto wanted = target()) {
      fit_to_size(network, *wanted, /*excess=*/1, rule_.sensitivities);  // where no epoch was left for it
    }
    round_network(network);
  } else {
    adjust(network, /*threshold=*/0);
  }
  return true;
}

void BsqMethod::adjust(Network& network, double threshold) {
  requantize_network(network, options_.max_bits);
  adjust_network(network, threshold);
}

void register_bsq() {
  register_weight_source(PlaneWeight::kKind, PlaneWeight::load);
  register_method({"bsq", "trains bit planes with a group Lasso that empties whole planes",
                   "Yang et al., ICLR 2021, arXiv 2102.10462", [] { return std::make_unique<BsqMethod>(); }});
}

}  // namespace bsq
