#include "bsq/methods/sawb/pact_activation.h"

#include <torch/utils.h>

#include <cmath>
#include <sstream>
#include <stdexcept>

#include "bsq/methods/sawb/pact_clip_ste.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

struct SlowPact {
  SlowPact(const torch::Tensor& x, double alpha, int64_t bits, const torch::Tensor& gradient) {
    const double levels = std::ldexp(1.0, static_cast<int>(bits)) - 1;
    std::vector<double> values, of_x;
    const auto incoming = values_of<double>(gradient);
    for (const double number : values_of<double>(x)) {
      const double g = incoming[values.size()];
      const bool is_inside = number < alpha;
      values.push_back(std::nearbyint((is_inside ? number : alpha) * levels / alpha) * alpha / levels);
      of_x.push_back(is_inside ? g : 0);
      of_alpha += is_inside ? 0 : g;
    }
    value = tensor_of(values, x.sizes().vec());
    x_gradient = tensor_of(of_x, x.sizes().vec());
  }

  torch::Tensor value, x_gradient;
  double of_alpha = 0;
};

TEST(PactActivation, IsTheFormulaNumberByNumber) {
  torch::manual_seed(1);
  for (int64_t bits = 2; bits <= 8; ++bits) {
    for (const auto& shape : {Shape{1, 4}, Shape{3, 5, 7, 7}, Shape{2, 64, 9, 9}}) {
      const double alpha = 0.7;
      const auto x = torch::randn(shape, torch::kFloat64).clamp_min_(-0.2).set_requires_grad(true);
      x.detach().view({-1})[0] = alpha;
      const auto clip = torch::tensor(alpha, torch::kFloat64).set_requires_grad(true);
      const auto gradient = torch::randn_like(x);
      const auto value = pact_clip_ste(x, clip, bits);
      value.backward(gradient);
      const SlowPact slow(x, alpha, bits, gradient);
      EXPECT_TRUE(torch::allclose(value, slow.value, 1e-14, 0)) << bits;
      EXPECT_TRUE(torch::equal(x.grad(), slow.x_gradient)) << bits;
      EXPECT_NEAR(clip.grad().item<double>(), slow.of_alpha, 1e-10);
    }
  }
}

TEST(PactActivation, TakesOtherTypesAndLayouts) {
  torch::manual_seed(2);
  PactActivation activation(4);
  activation.set_alpha(1.5);
  const auto exact = torch::randn({4, 16, 6, 6}).relu_();
  const auto whole = activation.forward(exact, /*is_training=*/true);
  const auto strided = exact.contiguous(torch::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(torch::equal(activation.forward(strided, true), whole));
  EXPECT_TRUE(torch::equal(activation.forward(exact.transpose(0, 1), true), whole.transpose(0, 1)));
  const auto x = exact.to(torch::kBFloat16).set_requires_grad(true);
  const auto value = activation.forward(x, true);
  EXPECT_EQ(value.scalar_type(), torch::kBFloat16);
  const auto gradient = torch::randn({4, 16, 6, 6}).to(torch::kBFloat16);
  value.backward(gradient);
  const auto is_above = x.detach().to(torch::kFloat32).ge(1.5);
  EXPECT_NEAR(activation.alpha().grad().item<double>(),
              gradient.to(torch::kFloat64).mul(is_above).sum().item<double>(), 1e-3);
  EXPECT_TRUE(torch::equal(x.grad(), gradient.mul(is_above.logical_not())));
}

TEST(PactActivation, AlphaIsASlotWithAFloor) {
  PactActivation activation(4);
  const auto slots = activation.slots();
  ASSERT_EQ(slots.size(), 1U);
  EXPECT_EQ(slots[0].name, "alpha");
  EXPECT_EQ(slots[0].role, Slot::Role::kTrained);
  EXPECT_EQ(slots[0].low, 1e-3);
  EXPECT_EQ(slots[0].tensor.item<double>(), 10);
  EXPECT_FALSE(activation.needs_calibration());
  EXPECT_THROW(activation.set_alpha(0), std::invalid_argument);
  EXPECT_THROW(activation.set_alpha(std::nan("")), std::invalid_argument);
}

TEST(PactActivation, RefusesOtherBits) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { PactActivation(1); }),
            "pact activation: 1 bits; expected 2 to 8");
  EXPECT_THROW(PactActivation(9), std::invalid_argument);
  std::ostringstream text;
  PactActivation(5).print(text);
  EXPECT_EQ(text.str(), "bits=5, PACT");
}

}  // namespace
}  // namespace bsq::test
