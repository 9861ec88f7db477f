#include "bsq/train/distillation.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>
#include <optional>

#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

// By the definition, number by number.
double slow_loss(const torch::Tensor& student, const torch::Tensor& teacher, double temperature) {
  double sum = 0;
  for (int64_t image = 0; image < student.size(0); ++image) {
    const auto p = torch::softmax(teacher[image] / temperature, 0);
    const auto q = torch::softmax(student[image] / temperature, 0);
    for (int64_t k = 0; k < p.size(0); ++k) {
      sum += p[k].item<double>() * std::log(p[k].item<double>() / q[k].item<double>());
    }
  }
  return temperature * temperature * sum / static_cast<double>(student.size(0));
}

TEST(Distillation, IsTheDivergenceTimesTheSquareOfTheTemperature) {
  torch::manual_seed(1);
  for (const double temperature : {1.0, 4.0}) {
    const auto student = torch::randn({5, 7}, torch::kFloat64);
    const auto teacher = torch::randn({5, 7}, torch::kFloat64);
    EXPECT_NEAR(distillation_loss(student, teacher, temperature).item<double>(),
                slow_loss(student, teacher, temperature), 1e-12);
  }
}

TEST(Distillation, AStudentLikeItsTeacherHasNoLossAndNoGradient) {
  torch::manual_seed(2);
  auto student = torch::randn({5, 7}, torch::kFloat64).set_requires_grad(true);
  const auto loss = distillation_loss(student, student, /*temperature=*/2);
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), 0, 1e-12);
  EXPECT_LT(student.grad().abs().max().item<double>(), 1e-12);
}

// Weights 1 and 1 at half the learning rate are weights 0.5 and 0.5: without momentum the same steps.
TEST(Distillation, TheLabelsMayHaveAWeightOfTheirOwn) {
  torch::manual_seed(3);
  const auto data = easy_images(/*count=*/64);
  const auto start = save_network(*network_for("float"));
  const auto teacher = network_for("float");
  const auto trained = [&](double weight, std::optional<double> label_weight, double rate) {
    RunOptions options;
    options.method = "float";
    options.epochs = 2;
    options.learning_rate = rate;
    options.momentum = options.weight_decay = 0;
    options.distillation = {teacher, weight, label_weight, /*temperature=*/1};
    const auto network = network_for("float");
    load_network(*network, start);
    TrainingRun run(network, data, options);
    EXPECT_TRUE(run.trainer.run());
    return network;
  };
  teacher->eval();
  const auto halves = trained(0.5, std::nullopt, 0.1), wholes = trained(1, 1, 0.05);
  const auto expected = halves->named_parameters();
  for (const auto& item : wholes->named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value(), expected[item.key()], 1e-4, 1e-6)) << item.key();
  }
  const auto labels_alone = trained(0, 1, 0.05)->named_parameters();
  EXPECT_FALSE(torch::allclose(labels_alone["fc.weight"], expected["fc.weight"], 1e-4, 1e-6));
}

}  // namespace
}  // namespace bsq::test
