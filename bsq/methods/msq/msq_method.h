#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bsq/methods/method.h"
#include "bsq/nn/layers_of.h"

namespace bsq {

struct MsqOptions {
  double alpha = 0.1;  ///< strength of the penalty; 0: none
  /// Epochs after which layers may lose a bit. Nothing: 1/24 of the run's, at least 1.
  std::optional<int64_t> adjust_every;
  double threshold = 25;              ///< percent of a layer's weights that may use the bit that goes
  std::optional<double> target_comp;  ///< comp that the network is to have in the end
  double freeze_at = 0.5;             ///< part of the epochs after which bit widths stay
};

/// MSQ (arXiv 2507.22349), held to its definition: weights stay float; a penalty draws each to the nearest
/// code whose least significant bit is 0; a layer in which few weights use that bit loses it.
class MsqMethod : public Method {
 public:
  explicit MsqMethod(const MsqOptions& options = {}) : options_(options) {}

  std::string name() const override { return "msq"; }
  void add_options(OptionTable& table) override;
  void begin(Network& network, const Start& start) override;
  void plan(const RunLength& length) override { length_ = length; }
  std::unique_ptr<Optimizer> make_optimizer(Network& network, const SgdOptions& options) override;
  bool before_epoch(Network& network, int64_t epoch) override;
  bool makes_adjustments() const override { return true; }
  torch::Tensor loss_term(Network& network) override;
  /// LSB %: the percentage of weights that use their least significant bit; Comp.
  std::vector<std::string> metric_names() const override { return {"LSB %", "Comp"}; }
  std::vector<double> measure(Network& network, const StepSums& sums, double steps,
                              const Sizes& sizes) const override;
  bool keeps_best() const override { return false; }
  Slots state() override { return {{"has_penalty", has_penalty_}, {"start_comp", start_comp_}}; }

 protected:
  Parts parts(const LayerPlace& place, const WeightSource& weight) const override;

 private:
  int64_t interval() const;
  int64_t last_adjustment() const;
  double comp_at(double part) const;
  bool lose_unused_bits(Network& network);
  bool reach(Network& network, double comp);
  bool is_done(Network& network) const;
  bool is_too_much(Network& network, const SourceRef& ref) const;
  void end_penalty_if_done(Network& network, int64_t epoch);

  MsqOptions options_;
  RunLength length_;
  torch::Tensor has_penalty_ = torch::ones({}, torch::kFloat64);
  torch::Tensor start_comp_ = torch::ones({}, torch::kFloat64);
  std::map<std::string, torch::Tensor> carried_;  // momenta, from an adjustment to the new optimizer
  Optimizer* optimizer_ = nullptr;                // the trainer's, which was made here
};

}  // namespace bsq
