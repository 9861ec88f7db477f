#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bsq/methods/bsq/plane_optimizer.h"
#include "bsq/methods/bsq/size_target.h"
#include "bsq/methods/method.h"

namespace bsq {

struct BsqOptions {
  std::string step_rule = "relative";                                  ///< or "published"
  std::optional<double> target_comp, target_stored, target_kilobytes;  ///< at most one
  double freeze_at = 0.5;  ///< part of the epochs after which the target is reached and bit widths stay
  double alpha = 0;        ///< strength of the penalty; 0: none
  /// Epochs between precision adjustments (Prun_Int). Nothing: 50 with the published rule, else 1/24 of the
  /// run's epochs, at least 1.
  std::optional<int64_t> adjust_every;
  double drop_threshold = 0;  ///< percent, 0 to below 100 (thre)
  int64_t max_bits = 8;       ///< bit width that re-quantization may grow to
};

/// BSQ (Yang et al., ICLR 2021): bit planes with a group Lasso; every `adjust_every` epochs, and at the end,
/// re-quantization and precision adjustment.
class BsqMethod : public Method {
 public:
  explicit BsqMethod(const BsqOptions& options = {}) : options_(options) {}

  std::string name() const override { return "bsq"; }
  void add_options(OptionTable& table) override;
  int64_t default_bits() const override { return std::min<int64_t>(8, options_.max_bits); }
  /// No layer may have more than `max_bits` bits.
  void check_rules(const LayerRules& rules) const override;
  /// Says so where no adjustment comes before the end.
  std::string remark(int64_t epochs) const override;
  /// Converts a float network; then planes are made binary and as few as needed.
  void begin(Network& network, const Start& start) override;
  void adopt(Network& network) override;
  void plan(const RunLength& length) override;
  std::unique_ptr<Optimizer> make_optimizer(Network& network, const SgdOptions& options) override;
  bool before_epoch(Network& network, int64_t epoch) override;
  bool makes_adjustments() const override { return true; }
  int64_t last_restart(int64_t epoch) const override {
    return is_relative() ? 0 : epoch - epoch % interval(length_.epochs);
  }
  void after_step(Network& network, StepSums& sums) override;
  /// Reg Loss (the mean penalty without alpha) and Comp, as the published log.txt has them.
  std::vector<std::string> metric_names() const override { return {"Reg Loss", "Comp"}; }
  std::vector<double> measure(Network& network, const StepSums& sums, double steps,
                              const Sizes& sizes) const override;
  bool keeps_best() const override { return false; }
  bool end(Network& network) override;
  /// With the relative rule: whether the penalty acts, and of each weight its norm and its sensitivity.
  Slots state() override;

  const BsqOptions& options() const { return options_; }

 private:
  bool is_relative() const { return options_.step_rule == "relative"; }
  int64_t interval(int64_t epochs) const;
  bool before_epoch_relative(Network& network, int64_t epoch);
  void adjust(Network& network, double threshold);
  void take_numbers(Network& network);
  std::optional<SizeTarget> target() const;

  BsqOptions options_;
  RunLength length_;
  PlaneRule rule_;
  torch::Tensor start_excess_ = rule_number(0);
  std::map<std::string, torch::Tensor> carried_;  // momenta, from an adjustment to the new optimizer
  PlaneOptimizer* optimizer_ = nullptr;           // the trainer's, which was made here
};

}  // namespace bsq
