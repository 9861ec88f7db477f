#include "bsq/methods/dorefa/dorefa_gradient.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "tests/bsq/methods/dorefa/dorefa_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

std::shared_ptr<NoiseCounter> some_noise() {
  auto noise = std::make_shared<NoiseCounter>();
  noise->draw_seed();
  return noise;
}

// The paper's equation 12, number by number, with the noise of the same step.
torch::Tensor slow_reference(const torch::Tensor& gradient, int64_t bits, const NoiseKey& key) {
  const auto noise = noise_like(gradient, key);
  auto result = torch::empty_like(gradient);
  const double levels = std::pow(2.0, static_cast<double>(bits)) - 1;
  for (int64_t image = 0; image < gradient.size(0); ++image) {
    const auto g = gradient[image].contiguous().view(-1), n = noise[image].contiguous().view(-1);
    auto out = torch::empty_like(g);
    const double largest = g.abs().max().item<double>();
    for (int64_t i = 0; i < g.numel(); ++i) {
      const double unit = g[i].item<double>() / (2 * largest) + 0.5;
      const double code = std::nearbyint(levels * unit + n[i].item<double>());
      out[i] = 2 * largest * (code / levels - 0.5);
    }
    result[image].copy_(out.view_as(gradient[image]));
  }
  return result;
}

TEST(DorefaGradient, IsThePapersEquation) {
  torch::manual_seed(1);
  for (const int64_t bits : {1, 2, 4, 6, 8, 16}) {
    for (const auto& shape : {std::vector<int64_t>{3, 4, 5, 2}, std::vector<int64_t>{4, 7}}) {
      SCOPED_TRACE(bits);
      const auto noise = some_noise();
      const auto g = torch::randn(shape, torch::kFloat64);
      const DorefaGradient quantizer(bits, noise, /*tensor=*/3);
      EXPECT_TRUE(
          torch::allclose(quantizer.quantize(g), slow_reference(g, bits, noise->key(3)), 1e-12, 1e-12));
    }
  }
}

TEST(DorefaGradient, HasAsManyValuesAsItsBitsAndThePlainGradientAsItsMean) {
  torch::manual_seed(2);
  const auto noise = some_noise();
  const DorefaGradient quantizer(/*bits=*/2, noise, /*tensor=*/0);
  const auto g = torch::tensor({0.3, -1.0, 0.05, 0.7}, torch::kFloat64).expand({4000, 4}).contiguous();
  const auto value = quantizer.quantize(g);
  EXPECT_EQ(std::get<0>(at::_unique(value)).numel(), 4);
  EXPECT_TRUE(torch::allclose(value.mean(0), g[0], 0, 0.03)) << value.mean(0);
}

TEST(DorefaGradient, ZeroStaysZeroAndEachStepHasItsOwnNoise) {
  torch::manual_seed(3);
  const auto noise = some_noise();
  const DorefaGradient quantizer(/*bits=*/3, noise, /*tensor=*/0);
  auto g = torch::randn({2, 50});
  g[1].zero_();
  const auto first = quantizer.quantize(g);
  EXPECT_TRUE(torch::equal(first[1], g[1]));
  EXPECT_TRUE(torch::equal(first, quantizer.quantize(g)));
  noise->next_step();
  EXPECT_FALSE(torch::equal(first, quantizer.quantize(g)));
  EXPECT_EQ(quantizer.quantize(g.to(torch::kBFloat16)).scalar_type(), torch::kBFloat16);
}

TEST(DorefaGradient, RefusesOtherBits) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { DorefaGradient(17, some_noise(), 0); }),
            "dorefa gradient: 17 bits; expected 1 to 16");
}

}  // namespace
}  // namespace bsq::test
