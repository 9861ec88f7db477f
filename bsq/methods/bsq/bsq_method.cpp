#include "bsq/methods/bsq/bsq_method.h"

#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

constexpr const char* kPenaltySum = "penalty";

}  // namespace

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
