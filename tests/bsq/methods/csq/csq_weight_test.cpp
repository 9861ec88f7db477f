#include "bsq/methods/csq/csq_weight.h"

#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "bsq/methods/bsq/conversion.h"
#include "bsq/methods/bsq/reconstruction.h"
#include "tests/bsq/methods/bsq/support.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

torch::Tensor slot_of(const CsqWeight& weight, const std::string& name) {
  for (const auto& slot : weight.slots()) {
    if (slot.name == name) {
      return slot.tensor;
    }
  }
  throw std::logic_error(name);
}

// The formula, one weight and one plane at a time.
double slow_value(const CsqWeight& weight, int64_t index) {
  const double t = slot_of(weight, "temperature").item<double>();
  const auto p = slot_of(weight, "pweight").detach().flatten(1),
             n = slot_of(weight, "nweight").detach().flatten(1);
  const auto mask = slot_of(weight, "mask").detach();
  double sum = 0;
  for (int64_t b = 0; b < weight.bits(); ++b) {
    const double digit = sigmoid(t * p[b][index].item<double>()) - sigmoid(t * n[b][index].item<double>());
    sum += digit * sigmoid(t * mask[b].item<double>()) *
           std::ldexp(1.0, static_cast<int>(weight.bits() - 1 - b));
  }
  const double one = (2 * sigmoid(t) - 1) * sigmoid(t);
  return slot_of(weight, "scale").item<double>() / one * sum /
         (std::ldexp(1.0, static_cast<int>(weight.bits())) - 1);
}

// Logits that are no digits.
std::unique_ptr<CsqWeight> random_weight(int64_t bits, double temperature) {
  auto weight = CsqWeight::of(torch::randn({3, 2, 2, 2}, torch::kFloat64), bits);
  torch::NoGradGuard no_grad;
  for (const char* name : {"pweight", "nweight", "mask"}) {
    slot_of(*weight, name).normal_();
  }
  weight->set_temperature(temperature);
  return weight;
}

TEST(CsqWeight, TrainingComputesTheFormula) {
  torch::manual_seed(1);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    const auto weight = random_weight(bits, /*temperature=*/0.5 * static_cast<double>(bits));
    const auto value = weight->value().detach().flatten();
    for (int64_t i = 0; i < value.numel(); ++i) {
      EXPECT_NEAR(value[i].item<double>(), slow_value(*weight, i), 1e-12);
    }
  }
}

TEST(CsqWeight, GradientsAreThoseOfFiniteDifferences) {
  torch::manual_seed(2);
  const auto weight = random_weight(/*bits=*/3, /*temperature=*/2);
  const auto direction = torch::randn(weight->shape(), torch::kFloat64);
  weight->value().mul(direction).sum().backward();
  const auto loss = [&] {
    double sum = 0;
    for (int64_t i = 0; i < weight->numel(); ++i) {
      sum += slow_value(*weight, i) * direction.flatten()[i].item<double>();
    }
    return sum;
  };
  constexpr double kStep = 1e-6;
  for (const char* name : {"pweight", "nweight", "mask", "scale"}) {
    const auto tensor = slot_of(*weight, name);
    for (const int64_t i : {int64_t{0}, tensor.numel() - 1}) {
      torch::NoGradGuard no_grad;
      auto number = tensor.view({-1})[i];
      number.add_(kStep);
      const double above = loss();
      number.sub_(2 * kStep);
      const double below = loss();
      number.add_(kStep);
      EXPECT_NEAR(tensor.grad().view({-1})[i].item<double>(), (above - below) / (2 * kStep), 1e-6) << name;
    }
  }
}

TEST(CsqWeight, BeginsAsTheConvertedWeightSoftAndHard) {
  torch::manual_seed(3);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    const auto w = torch::randn({4, 3, 3, 3});
    const auto planes = to_bit_planes(w, bits);
    const auto expected = plane_value(planes.positive, planes.negative) * planes.scale;
    const auto weight = CsqWeight::of(w, bits);
    EXPECT_TRUE(torch::allclose(weight->value(), expected, 1e-5, 1e-6)) << bits;
    torch::NoGradGuard no_grad;
    EXPECT_TRUE(torch::allclose(weight->value(), expected, 1e-6, 1e-7)) << bits;
    EXPECT_EQ(weight->bits_on(), bits);
  }
}

TEST(CsqWeight, WithoutGradientsItIsWhatItsCodesSay) {
  torch::manual_seed(4);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    const auto weight = random_weight(bits, /*temperature=*/1);
    torch::NoGradGuard no_grad;
    EXPECT_TRUE(torch::equal(weight->value(), value_of(*weight->codes()))) << bits;
    weight->set_temperature(1e6);
    torch::AutoGradMode with_gradients(true);
    EXPECT_TRUE(torch::allclose(weight->value().detach(), value_of(*weight->codes()), 1e-6, 1e-9))
        << "soft and hard meet";
  }
}

TEST(CsqWeight, AMaskTakesItsPlaneAway) {
  const auto weight = CsqWeight::of(torch::tensor({3.0F, 2.0F, -1.0F}), /*bits=*/2);
  torch::NoGradGuard no_grad;
  slot_of(*weight, "mask")[1].fill_(-1);
  EXPECT_EQ(weight->bits_on(), 1);
  EXPECT_TRUE(torch::equal(weight->codes()->integers, torch::tensor({2, 2, 0}, torch::kInt32)));
  slot_of(*weight, "mask").fill_(-1);
  EXPECT_EQ(weight->codes()->format.bits, 0);
  EXPECT_EQ(weight->store().bits, 0);
}

TEST(CsqWeight, TwoForwardsAddTheirGradients) {
  torch::manual_seed(5);
  const auto weight = random_weight(/*bits=*/4, /*temperature=*/1);
  const auto a = torch::randn(weight->shape(), torch::kFloat64),
             b = torch::randn(weight->shape(), torch::kFloat64);
  const auto gradient_of = [&](const std::vector<torch::Tensor>& directions) {
    slot_of(*weight, "mask").mutable_grad() = torch::Tensor();
    for (const auto& direction : directions) {
      weight->value().mul(direction).sum().backward();
    }
    return slot_of(*weight, "mask").grad().clone();
  };
  EXPECT_TRUE(torch::allclose(gradient_of({a, b}), gradient_of({a}) + gradient_of({b})));
}

TEST(CsqWeight, RefusesATemperatureThatIsNone) {
  const auto weight = random_weight(/*bits=*/2, /*temperature=*/1);
  weight->set_temperature(0);
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { weight->refresh(); }), "temperature"));
}

}  // namespace
}  // namespace bsq::test
