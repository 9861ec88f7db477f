#include <torch/utils.h>

#include <map>
#include <stdexcept>
#include <string>

#include "bsq/base/options.h"
#include "bsq/methods/frozen/grid_optimizer.h"
#include "bsq/methods/kept_norms.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/fixed_bits.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "bsq/quant/sign_magnitude.h"

namespace bsq {
namespace {

/// Finetunes at fixed bit widths: the trained variable is q, rounded straight through to the grid that the
/// codes of any method have; the scale is trained too (BSQ, section 3.4).
class FrozenMethod : public Method {
 public:
  std::string name() const override { return GridQuantizer::kKind; }
  void add_options(OptionTable& table) override {
    table
        .add("step-rule", &step_rule_,
             "size of a step of a weight: relative, as far as a float weight would move; published, the "
             "published rule")
        .one_of({"relative", "published"})
        .only_training()
        .resume(ResumeRule::kFixed);
  }
  void begin(Network& network, const Start& start) override;
  void adopt(Network& network) override { take_norms(network); }
  std::unique_ptr<Optimizer> make_optimizer(Network& network, const SgdOptions& options) override;
  Slots state() override { return norm_slots(norms_); }

 private:
  void take_norms(Network& network) {
    norms_ = step_rule_ == "relative" ? kept_norms(network) : std::map<std::string, torch::Tensor>();
  }

  std::string step_rule_ = "relative";
  std::map<std::string, torch::Tensor> norms_;
};

// A q between the grid's points is one in training: it stays as it is.
bool is_between_points(const WeightSource& source, const Codes& codes) {
  const auto* weight = dynamic_cast<const MasterWeight*>(&source);
  return weight != nullptr && source.kind() == GridQuantizer::kKind &&
         !torch::equal(weight->tensor(), round_to_grid(weight->tensor(), codes.format));
}

// For training, digits that no weight needs go too; evaluation takes the file as it is, to the last bit.
void FrozenMethod::begin(Network& network, const Start& start) {
  torch::NoGradGuard no_grad;
  if (is_float(network)) {
    to_fixed_bits(network, start.rules);
  }
  for (const auto& ref : coded_sources(network)) {
    const auto codes = *ref.source().codes();
    if (codes.offset.defined() && start.is_training) {
      throw std::invalid_argument(ref.name +
                                  " has a grid with an offset, whose scale this method cannot train; such "
                                  "models are only evaluated");
    }
    if (!is_between_points(ref.source(), codes)) {
      ref.set(make_frozen(start.is_training ? without_empty_digits(codes) : codes));
    }
  }
  take_norms(network);
}

std::unique_ptr<Optimizer> FrozenMethod::make_optimizer(Network& network, const SgdOptions& options) {
  if (step_rule_ == "published") {
    return Method::make_optimizer(network, options);
  }
  return std::make_unique<GridOptimizer>(network, options, norms_);
}

}  // namespace

void register_frozen() {
  register_method({GridQuantizer::kKind, "finetunes at fixed bit widths",
                   "Yang et al., ICLR 2021, arXiv 2102.10462, section 3.4",
                   [] { return std::make_unique<FrozenMethod>(); }});
}

}  // namespace bsq
