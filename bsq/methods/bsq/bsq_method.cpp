#include "bsq/methods/bsq/bsq_method.h"

#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/layers_of.h"

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
  return options_.adjust_every < epochs
             ? ""
             : "--adjust-every " + std::to_string(options_.adjust_every) + ": " + std::to_string(epochs) +
                   " epochs have no adjustment but those at both ends";
}

void BsqMethod::begin(Network& network, const Start& start) {
  if (is_float(network)) {
    to_bits(network, start.rules);
  }
  to_planes(network);
  adjust(network, /*threshold=*/0);
}

void BsqMethod::adopt(Network& network) { to_planes(network); }

std::unique_ptr<Optimizer> BsqMethod::make_optimizer(Network& network, const SgdOptions& options) {
  auto optimizer = std::make_unique<PlaneOptimizer>(network, options, options_.alpha);
  optimizer_ = optimizer.get();
  return optimizer;
}

bool BsqMethod::before_epoch(Network& network, int64_t epoch) {
  if (epoch % options_.adjust_every != 0) {
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
  adjust(network, /*threshold=*/0);
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
