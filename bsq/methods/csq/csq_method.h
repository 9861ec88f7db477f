#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bsq/methods/method.h"

namespace bsq {

struct CsqOptions {
  double target_comp = 16;        ///< 32 over the mean bit width that is wanted, weighted by weights
  double strength = 0.001;        ///< of the budget term; the paper has 0.001
  double last_temperature = 200;  ///< reached where bit widths freeze
  double freeze_at = 0.75;        ///< part of the epochs after which everything is hard
};

/// CSQ (arXiv 2212.02770): bit planes and masks of planes are sigmoids whose temperature rises from 1 to
/// `last_temperature`; a budget term drives the masks to the wanted mean bit width. Nothing is rounded, there
/// is no straight-through estimator. Then every weight becomes a fixed grid, and the run trains on as
/// finetuning does.
class CsqMethod : public Method {
 public:
  explicit CsqMethod(const CsqOptions& options = {}) : options_(options) {}

  std::string name() const override { return "csq"; }
  void add_options(OptionTable& table) override;
  void begin(Network& network, const Start& start) override;
  void adopt(Network& network) override;
  void plan(const RunLength& length) override { length_ = length; }
  std::unique_ptr<Optimizer> make_optimizer(Network& network, const SgdOptions& options) override;
  bool before_epoch(Network& network, int64_t epoch) override;
  bool makes_adjustments() const override { return true; }
  torch::Tensor loss_term(Network& network) override;
  /// Bits On: the mean count of planes whose mask is on, weighted by weights; Temperature; Comp.
  std::vector<std::string> metric_names() const override { return {"Bits On", "Temperature", "Comp"}; }
  std::vector<double> measure(Network& network, const StepSums& sums, double steps,
                              const Sizes& sizes) const override;
  bool keeps_best() const override { return false; }
  bool end(Network& network) override { return harden(network); }
  /// Of the hard network: the norms that finetuning keeps.
  Slots state() override;

 private:
  int64_t last_soft_epoch() const;
  double temperature_at(int64_t epoch) const;
  bool harden(Network& network) const;

  CsqOptions options_;
  RunLength length_;
  std::map<std::string, torch::Tensor> norms_;
};

}  // namespace bsq
