#include "bsq/methods/dorefa/dorefa_activation.h"

#include <torch/utils.h>

#include <cmath>
#include <sstream>
#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

TEST(DorefaActivation, IsTheNearestStepBetweenZeroAndOne) {
  torch::manual_seed(1);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    const auto steps = static_cast<double>(max_integer(bits));
    const auto x = torch::randn({3, 4, 5, 5}, torch::kFloat64);
    x.view({-1}).slice(0, 0, 5).zero_();
    x.view({-1}).slice(0, 5, 10).fill_(1);
    x.set_requires_grad(true);
    const auto gradient = torch::randn_like(x);
    const auto y = DorefaActivation(bits).forward(x, /*is_training=*/true);
    y.backward(gradient);
    const auto from = values_of<double>(x), to = values_of<double>(y);
    const auto incoming = values_of<double>(gradient), given = values_of<double>(x.grad());
    for (size_t i = 0; i < from.size(); ++i) {
      const double inside = std::min(std::max(from[i], 0.0), 1.0);
      ASSERT_NEAR(to[i], std::nearbyint(inside * steps) / steps, 1e-12);
      ASSERT_EQ(given[i], from[i] >= 0 && from[i] <= 1 ? incoming[i] : 0);
    }
  }
}

TEST(DorefaActivation, EvaluatesAsItTrainsInEveryType) {
  torch::manual_seed(2);
  DorefaActivation activation(3);
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    const auto x = torch::randn({2, 3, 4, 4}).to(type);
    const auto y = activation.forward(x, /*is_training=*/false);
    EXPECT_EQ(y.scalar_type(), type);
    EXPECT_TRUE(torch::equal(y, activation.forward(x, /*is_training=*/true)));
  }
}

TEST(DorefaActivation, RefusesOtherBitsAndSaysWhatItIs) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { DorefaActivation(0); }),
            "dorefa activation: 0 bits; expected 1 to 16");
  EXPECT_THROW(DorefaActivation(17), std::invalid_argument);
  EXPECT_TRUE(DorefaActivation(2).slots().empty());
  std::ostringstream text;
  DorefaActivation(5).print(text);
  EXPECT_EQ(text.str(), "bits=5, 0 to 1");
}

}  // namespace
}  // namespace bsq::test
