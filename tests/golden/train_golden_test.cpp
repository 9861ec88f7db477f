#include <torch/nn/functional/loss.h>

#include <algorithm>
#include <cmath>

#include "bsq/base/options.h"
#include "bsq/methods/bsq/bsq_method.h"
#include "bsq/methods/methods.h"
#include "tests/golden/golden_model.h"
#include "tests/naive/naive_resnet.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

// Which losses are held how closely: the first ten steps are, later ones part as single roundings flip.
constexpr int64_t kCloseSteps = 10;
constexpr int64_t kNaiveSteps = 4;
constexpr double kLossTolerance = 1e-6;
constexpr double kFinetuneTolerance = 1e-4;
constexpr double kPlaneTolerance = 1e-5;

struct GoldenRun {
  const GoldenFile& golden;
  std::string group;
  double number(const std::string& attribute) const { return golden.number(group, attribute); }
  Batch batch(int64_t step) const {
    const auto size = static_cast<int64_t>(number("batch"));
    return exact_images(/*is_test=*/false, static_cast<int64_t>(number("first_image")) + size * step, size);
  }
  int64_t steps() const { return static_cast<int64_t>(number("steps")); }
};

struct StepResult {
  double cross_entropy, penalty;
};

BsqOptions bsq_options(const GoldenRun& run) {
  BsqOptions options;
  options.step_rule = "published";
  options.alpha = run.number("decay");
  return options;
}

// A step as the trainer makes it, by a method.
class MethodStep {
 public:
  MethodStep(Network& network, std::unique_ptr<Method> method, const GoldenRun& run)
      : network_(network),
        method_(std::move(method)),
        optimizer_(method_->make_optimizer(network, {run.number("momentum"), run.number("weight_decay")})),
        learning_rate_(run.number("lr")) {}
  /// BSQ's, whose penalty is in its optimizer.
  MethodStep(Network& network, const GoldenRun& run)
      : MethodStep(network, std::make_unique<BsqMethod>(bsq_options(run)), run) {}
  StepResult operator()(const Batch& batch) {
    network_.train();
    optimizer_->zero_grad();
    const auto loss = torch::nn::functional::cross_entropy(network_.forward(batch.images), batch.labels);
    loss.backward();
    optimizer_->step(learning_rate_);
    StepSums sums;
    method_->after_step(network_, sums);
    return {loss.item<double>(), sums["penalty"]};
  }

 private:
  Network& network_;
  std::unique_ptr<Method> method_;
  std::unique_ptr<Optimizer> optimizer_;
  double learning_rate_;
};

// The slow, obvious step that shares no code with ours.
class NaiveStep {
 public:
  NaiveStep(Network& network, const GoldenRun& run)
      : step_(network,
              {run.number("lr"), run.number("momentum"), run.number("weight_decay"), run.number("decay")}) {}
  StepResult operator()(const Batch& batch) {
    const auto result = step_(batch.images, batch.labels);
    return {result.cross_entropy, result.penalty};
  }

 private:
  naive::NaiveStep step_;
};

void expect_relative(double ours, double golden, double tolerance, const std::string& what) {
  EXPECT_LE(std::abs(ours - golden), tolerance * std::abs(golden))
      << what << ": " << ours << ", golden " << golden;
}

template <typename Step>
void train_steps(Network& network, const GoldenRun& run, int64_t steps) {
  Step step(network, run);
  const auto losses = run.golden.tensor(run.group + "/cross_entropy");
  const auto penalties = run.golden.tensor(run.group + "/regularizer_over_params");
  for (int64_t t = 0; t < steps; ++t) {
    const auto result = step(run.batch(t));
    if (t < kCloseSteps) {
      const auto what = run.group + " step " + std::to_string(t);
      expect_relative(result.cross_entropy, losses[t].item<double>(), kLossTolerance, what + " loss");
      expect_relative(result.penalty, penalties[t].item<double>(), kLossTolerance, what + " penalty");
    }
  }
}

void finetune_steps(Network& network, const GoldenRun& finetuning) {
  auto frozen = make_method("frozen");
  OptionTable table;
  frozen->add_options(table);
  table.find("step-rule")->set("published");
  frozen->begin(network, {LayerRules(8)});
  MethodStep step(network, std::move(frozen), finetuning);
  const auto losses = finetuning.golden.tensor(finetuning.group + "/cross_entropy");
  for (int64_t t = 0; t < finetuning.steps(); ++t) {
    expect_relative(step(finetuning.batch(t)).cross_entropy, losses[t].item<double>(), kFinetuneTolerance,
                    finetuning.group + " step " + std::to_string(t));
  }
}

std::shared_ptr<Network> eight_bit_network() {
  auto network = pretrained_network(/*activation_bits=*/4);
  to_bits(*network, LayerRules(8));
  network->to(torch::kFloat64);
  return network;
}

TEST(TrainGolden, FusedStepsAdjustmentAndFinetuning) {
  const auto path = golden_path("train.h5");
  if (path.empty() || !has_shared_files()) {
    GTEST_SKIP() << "the golden folder or the shared checkpoint is missing";
  }
  const GoldenFile golden(path);
  for (const auto& name : golden.members("/")) {
    const GoldenRun run{golden, name};
    const auto network = eight_bit_network();
    train_steps<MethodStep>(*network, run, run.steps());
    if (run.steps() <= kCloseSteps) {
      expect_bits(golden, name + "/after_steps", *network, kPlaneTolerance);
    }
    requantize_network(*network, /*max_bits=*/8);
    adjust_network(*network, /*threshold_percent=*/0);
    const auto sizes = sizes_of(*network);
    EXPECT_EQ(sizes.bits_total, static_cast<int64_t>(run.number("bits_total"))) << name;
    EXPECT_NEAR(sizes.comp(), run.number("compression"), 1e-9) << name;
    for (const auto& [weight, planes] : plane_weights(*network)) {
      const auto noun = weight.rfind(".weight");
      if (noun != std::string::npos) {
        const auto layer = name + "/adjusted/" + weight.substr(0, noun);
        EXPECT_EQ(planes->bits(), static_cast<int64_t>(golden.number(layer, "bits"))) << layer;
      }
    }
    finetune_steps(*network, {golden, name + "/finetune"});
  }
}

TEST(TrainGolden, NaiveSteps) {
  const auto path = golden_path("train.h5");
  if (path.empty() || !has_shared_files()) {
    GTEST_SKIP() << "the golden folder or the shared checkpoint is missing";
  }
  const GoldenFile golden(path);
  for (const auto& name : golden.members("/")) {
    const GoldenRun run{golden, name};
    train_steps<NaiveStep>(*eight_bit_network(), run, std::min(kNaiveSteps, run.steps()));
  }
}

}  // namespace
}  // namespace bsq::test
