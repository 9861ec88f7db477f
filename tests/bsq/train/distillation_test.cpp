#include "bsq/train/distillation.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>

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

}  // namespace
}  // namespace bsq::test
