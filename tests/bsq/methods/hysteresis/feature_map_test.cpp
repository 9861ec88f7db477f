#include "bsq/methods/hysteresis/feature_map.h"

#include <torch/utils.h>

#include <cmath>
#include <sstream>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/methods/hysteresis/alpha_steps.h"
#include "bsq/quant/activation_quantizer.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

constexpr bool kTrain = true;
constexpr bool kEvaluate = false;

// Maps as a ReLU gives them, some beyond the range, some exactly at its ends.
torch::Tensor random_map(double high) {
  auto x = torch::randn({4, 3, 5, 5}, torch::kFloat64).mul(high);
  x.view({-1}).slice(0, 0, 10).fill_(high);
  x.view({-1}).slice(0, 10, 20).zero_();
  return x;
}

TEST(FeatureMaps, HaveNoIntegersForValuesBelow0) {
  EXPECT_THROW(FixedMap(2).set_input({/*may_be_negative=*/true}), std::invalid_argument);
  EXPECT_THROW(PactMap(2).set_input({/*may_be_negative=*/true}), std::invalid_argument);
  EXPECT_NO_THROW(PactMap(2).set_input({/*may_be_negative=*/false}));
}

TEST(FixedMap, IsTheNearestIntegerWithinTheRange) {
  torch::manual_seed(1);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    const auto largest = static_cast<double>(max_integer(bits));
    const auto x = random_map(largest).set_requires_grad(true);
    const auto gradient = torch::randn_like(x);
    const auto y = FixedMap(bits).forward(x, kTrain);
    y.backward(gradient);
    const auto from = values_of<double>(x), to = values_of<double>(y);
    const auto incoming = values_of<double>(gradient), given = values_of<double>(x.grad());
    for (size_t i = 0; i < from.size(); ++i) {
      ASSERT_EQ(to[i], std::min(std::max(std::nearbyint(from[i]), 0.0), largest));
      ASSERT_EQ(given[i], from[i] > 0 && from[i] < largest ? incoming[i] : 0);
    }
    EXPECT_TRUE(torch::equal(FixedMap(bits).forward(x, kEvaluate), y));
  }
}

TEST(FixedMap, RoundsHalfToEven) {
  const auto y = FixedMap(2).forward(torch::tensor({-0.5, 0.5, 1.5, 2.5, 3.5}), kEvaluate);
  EXPECT_EQ(values_of<double>(y), (std::vector<double>{0, 0, 2, 2, 3}));
}

TEST(FixedMap, HasNoTensors) {
  EXPECT_TRUE(FixedMap(2).slots().empty());
  EXPECT_FALSE(FixedMap(2).needs_calibration());
}

// A PactMap in a network, float64, with this alpha.
struct PactNetwork {
  PactNetwork(int64_t bits, double alpha)
      : map(network.register_module("map", ActivationQuantizer(std::make_unique<PactMap>(bits)))) {
    map->to(torch::kFloat64);
    this->alpha().detach().fill_(alpha);
  }
  torch::Tensor alpha() { return map->named_parameters()["alpha"]; }

  torch::nn::Module network;
  ActivationQuantizer map;
};

TEST(PactMap, IsThePublishedFormulaNumberByNumber) {
  torch::manual_seed(2);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    for (const double alpha : {0.01, 0.6, 3.0, 20.0}) {
      PactNetwork pact(bits, alpha);
      const auto largest = static_cast<double>(max_integer(bits));
      const auto x = random_map(alpha).set_requires_grad(true);
      const auto gradient = torch::randn_like(x);
      const auto y = pact.map->forward(x);
      y.backward(gradient);
      const auto from = values_of<double>(x), to = values_of<double>(y);
      const auto incoming = values_of<double>(gradient), given = values_of<double>(x.grad());
      double of_alpha = 0;
      for (size_t i = 0; i < from.size(); ++i) {
        const double steps = std::nearbyint(from[i] * largest / (alpha + 1e-6));
        ASSERT_NEAR(to[i], std::min(std::max(steps, 0.0), largest) * alpha / largest, 1e-12);
        ASSERT_EQ(given[i], from[i] > 0 && from[i] < alpha ? incoming[i] : 0);
        of_alpha += from[i] > alpha ? incoming[i] : 0;
      }
      EXPECT_NEAR(pact.alpha().grad().item<double>(), of_alpha, 1e-12 * (1 + std::abs(of_alpha)));
    }
  }
}

TEST(PactMap, StartsAtTheFixedMapsRange) {
  for (int64_t bits = 1; bits <= 8; ++bits) {
    EXPECT_EQ(PactMap(bits).alpha().item<float>(), static_cast<float>(max_integer(bits)));
  }
}

TEST(PactMap, ComputesBfloat16InAlphasType) {
  torch::manual_seed(3);
  PactMap map(4);
  const auto x = torch::rand({2, 3, 4, 4}).mul(20).to(torch::kBFloat16);
  const auto y = map.forward(x, kEvaluate);
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(torch::equal(y, map.forward(x.to(torch::kFloat32), kEvaluate).to(torch::kBFloat16)));
}

TEST(PactMap, RefusesAnAlphaThatAFileBrings) {
  PactMap map(2);
  for (const double alpha : {0.0, -1.0, std::nan("")}) {
    map.slots()[0].tensor.detach().fill_(alpha);
    EXPECT_THROW(map.forward(torch::rand({2, 2}), kEvaluate), Error) << alpha;
  }
}

TEST(AlphaSteps, TakeTheirOwnRateAndPenalty) {
  PactNetwork pact(2, 1.5);
  AlphaSteps steps(pact.network);
  EXPECT_EQ(steps.names(), std::set<std::string>{"map.alpha"});
  pact.alpha().mutable_grad() = torch::tensor(4.0, torch::kFloat64);
  steps.step();
  EXPECT_NEAR(pact.alpha().item<double>(), 1.5 - 0.01 * (4 + 2e-4 * 1.5), 1e-15);
  steps.zero_grad();
  EXPECT_FALSE(pact.alpha().grad().defined());
}

TEST(AlphaSteps, StopAboveZero) {
  PactNetwork pact(2, 0.5);
  AlphaSteps steps(pact.network);
  pact.alpha().mutable_grad() = torch::tensor(1e6, torch::kFloat64);
  steps.step();
  EXPECT_EQ(pact.alpha().item<double>(), PactMap::kSmallestAlpha);
  EXPECT_TRUE(pact.map->forward(torch::rand({2, 2}, torch::kFloat64)).isfinite().all().item<bool>());
  pact.map->to(torch::kFloat32);
  pact.alpha().detach().fill_(PactMap::kSmallestAlpha);
  pact.map->forward(torch::rand({2, 2}));  // the floor in float32 is good too
}

TEST(FeatureMaps, RefuseOtherBitsAndSayWhatTheyAre) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { FixedMap(0); }), "feature map: 0 bits; expected 1 to 16");
  EXPECT_THROW(PactMap(17), std::invalid_argument);
  std::ostringstream text;
  FixedMap(2).print(text);
  text << "; ";
  PactMap(3).print(text);
  EXPECT_EQ(text.str(), "bits=2, step 1; bits=3, PACT");
}

}  // namespace
}  // namespace bsq::test
