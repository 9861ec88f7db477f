#include "bsq/methods/int8/range_norm.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "bsq/kernels/range_norm_kernels.h"
#include "bsq/methods/int8/range_norm_ste.h"
#include "tests/bsq/methods/int8/given_noise.h"

namespace bsq::test {
namespace {

constexpr double kEps = 1e-5;

/// Range BN value by value, in float64.
struct SlowRangeNorm {
  torch::Tensor y, dx, dgamma, dbeta, mean, sigma;

  SlowRangeNorm(const torch::Tensor& given, const torch::Tensor& gamma, const torch::Tensor& beta,
                const torch::Tensor& g_given, int64_t most) {
    const auto x = given.to(torch::kFloat64), g = g_given.to(torch::kFloat64);
    y = torch::zeros_like(x);
    dx = torch::zeros_like(x);
    dgamma = torch::zeros({x.size(1)}, torch::kFloat64);
    dbeta = dgamma.clone();
    mean = dgamma.clone();
    sigma = dgamma.clone();
    for (int64_t c = 0; c < x.size(1); ++c) {
      channel(x, g, gamma[c].item<double>(), beta[c].item<double>(), c, most);
    }
  }

 private:
  using Index = std::vector<at::indexing::TensorIndex>;

  static Index place(const torch::Tensor& x, int64_t i, int64_t c) {
    if (x.dim() == 2) {
      return {i, c};
    }
    const int64_t pixels = x.size(2) * x.size(3);
    return {i / pixels, c, i % pixels / x.size(3), i % x.size(3)};
  }

  void channel(const torch::Tensor& x, const torch::Tensor& g, double gamma, double beta, int64_t c,
               int64_t most) {
    const int64_t count = x.numel() / x.size(1), chunks = range_chunks(count, most), length = count / chunks;
    std::vector<double> v, r;
    for (int64_t i = 0; i < count; ++i) {
      v.push_back(x.index(place(x, i, c)).item<double>());
      r.push_back(g.index(place(x, i, c)).item<double>());
    }
    double sum = 0, ranges = 0;
    std::vector<size_t> lows, highs;
    for (int64_t k = 0; k < chunks; ++k) {
      size_t low = static_cast<size_t>(k * length), high = low;
      for (size_t i = low; i < static_cast<size_t>((k + 1) * length); ++i) {
        sum += v[i];
        low = v[i] < v[low] ? i : low;
        high = v[i] > v[high] ? i : high;
      }
      ranges += v[high] - v[low];
      lows.push_back(low);
      highs.push_back(high);
    }
    const double m = sum / static_cast<double>(count), constant = range_constant(length);
    const double s = constant * ranges / static_cast<double>(chunks);
    double product = 0, total = 0;
    for (size_t i = 0; i < v.size(); ++i) {
      product += r[i] * (v[i] - m);
      total += r[i];
    }
    std::vector<double> d;
    for (const double value : r) {
      d.push_back(gamma / (s + kEps) * (value - total / static_cast<double>(count)));
    }
    const double at_extreme =
        -gamma * product / ((s + kEps) * (s + kEps)) * constant / static_cast<double>(chunks);
    for (size_t k = 0; k < lows.size(); ++k) {
      d[highs[k]] += at_extreme;
      d[lows[k]] -= at_extreme;
    }
    for (size_t i = 0; i < v.size(); ++i) {
      y.index_put_(place(x, static_cast<int64_t>(i), c), (v[i] - m) / (s + kEps) * gamma + beta);
      dx.index_put_(place(x, static_cast<int64_t>(i), c), d[i]);
    }
    mean[c] = m;
    sigma[c] = s;
    dgamma[c] = product / (s + kEps);
    dbeta[c] = total;
  }
};

void expect_near(const torch::Tensor& found, const torch::Tensor& wanted, double tolerance,
                 const char* what) {
  const double size = std::max(1.0, wanted.abs().max().item<double>());
  EXPECT_LE(found.to(torch::kFloat64).sub(wanted).abs().max().item<double>(), tolerance * size) << what;
}

void check(const torch::Tensor& values, int64_t most, double tolerance) {
  SCOPED_TRACE(c10::str(values.sizes(), " ", values.scalar_type(), " ", most));
  const auto type = values.scalar_type();
  const auto x = values.detach().clone().set_requires_grad(true);
  const auto gamma = torch::randn({x.size(1)}, type).set_requires_grad(true);
  const auto beta = torch::randn({x.size(1)}, type).set_requires_grad(true);
  const auto g = torch::randn(x.sizes(), type);
  const auto result = range_norm_ste(x, gamma, beta, most, kEps, nullptr);
  result.value.backward(g);
  const SlowRangeNorm slow(values, gamma, beta, g, most);
  expect_near(result.value, slow.y, tolerance, "y");
  expect_near(result.mean, slow.mean, tolerance, "mean");
  expect_near(result.sigma, slow.sigma, tolerance, "sigma");
  expect_near(x.grad(), slow.dx, tolerance, "dx");
  expect_near(gamma.grad(), slow.dgamma, tolerance, "dgamma");
  expect_near(beta.grad(), slow.dbeta, tolerance, "dbeta");
}

TEST(RangeNorm, IsTheSlowFormula) {
  torch::manual_seed(1);
  for (const auto& shape : std::vector<std::vector<int64_t>>{{8, 4, 4, 4},
                                                             {5, 3, 7, 7},
                                                             {3, 20, 2, 3},
                                                             {32, 10},
                                                             {6, 2, 3, 3},
                                                             {2, 1, 1, 1},
                                                             {2, 37},
                                                             {16, 16, 16, 5}}) {
    check(torch::randn(shape, torch::kFloat64), /*most=*/16, 1e-11);
    check(torch::randn(shape, torch::kFloat32), /*most=*/16, 2e-4);
    check(torch::randn(shape, torch::kFloat32), /*most=*/3, 2e-4);
  }
  check(torch::randn({4, 5, 8, 8}).contiguous(torch::MemoryFormat::ChannelsLast), /*most=*/16, 2e-4);
}

TEST(RangeNorm, TheFirstOfEqualExtremesTakesTheGradient) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    check(torch::randint(0, 3, {4, 6, 6, 6}).to(type), /*most=*/16, 2e-4);
    check(torch::ones({4, 6, 6, 6}, type), /*most=*/16, 2e-4);
  }
}

TEST(RangeNorm, GradientsAreThoseOfFiniteDifferences) {
  torch::manual_seed(3);
  const auto x = torch::randn({4, 2, 3, 4}, torch::kFloat64);
  const auto gamma = torch::randn({2}, torch::kFloat64), beta = torch::randn({2}, torch::kFloat64);
  const auto g = torch::randn(x.sizes(), torch::kFloat64);
  const auto loss = [&](const torch::Tensor& at) {
    return range_norm_ste(at, gamma, beta, 16, kEps, nullptr).value.mul(g).sum();
  };
  const auto leaf = x.clone().set_requires_grad(true);
  loss(leaf).backward();
  constexpr double kStep = 1e-6;
  for (int64_t i = 0; i < x.numel(); ++i) {
    auto up = x.clone(), down = x.clone();
    up.view({-1})[i] += kStep;
    down.view({-1})[i] -= kStep;
    const double slope = (loss(up) - loss(down)).item<double>() / (2 * kStep);
    EXPECT_NEAR(leaf.grad().view({-1})[i].item<double>(), slope, 1e-5) << i;
  }
}

TEST(RangeNorm, SigmaIsADeviationForGaussianNumbers) {
  torch::manual_seed(4);
  const auto x = torch::randn({64, 2, 16, 16}).mul_(3);
  const auto result = range_norm_ste(x, torch::ones({2}), torch::zeros({2}), 16, kEps, nullptr);
  EXPECT_NEAR(result.sigma[0].item<double>(), 3, 0.4);
}

TEST(RangeNorm, ChunksDivideTheBatch) {
  EXPECT_EQ(range_chunks(4096, 16), 16);
  EXPECT_EQ(range_chunks(5 * 49, 16), 7);
  EXPECT_EQ(range_chunks(16, 16), 8) << "chunks of 2 values or more";
  EXPECT_EQ(range_chunks(17, 16), 1);
  EXPECT_EQ(range_chunks(2, 16), 1);
  EXPECT_THROW(range_chunks(1, 16), std::invalid_argument);
  EXPECT_THROW(range_chunks(0, 16), std::invalid_argument);
}

TEST(RangeNorm, QuantizesTheGradientOnceForAll) {
  torch::manual_seed(5);
  const auto values = torch::randn({4, 3, 4, 4});
  const auto g = torch::randn(values.sizes());
  const auto grad_of = [&](RangeNorm& norm, const torch::Tensor& arrived) {
    norm.zero_grad();
    const auto x = values.clone().set_requires_grad(true);
    norm.forward(x).backward(arrived);
    return std::vector<torch::Tensor>{x.grad(), norm.named_parameters()["weight"].grad().clone(),
                                      norm.named_parameters()["bias"].grad().clone()};
  };
  RangeNorm quantizing(RangeNormOptions(3)), plain(RangeNormOptions(3));
  const auto quantizer = std::make_shared<GivenNoise>(/*bits=*/3, /*is_for_weights=*/false);
  quantizing.set_gradient(quantizer);
  const auto found = grad_of(quantizing, g), wanted = grad_of(plain, quantizer->quantize(g));
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(torch::allclose(found[i], wanted[i])) << i;
  }
}

TEST(RangeNorm, EvaluationUsesWhatTrainingTracked) {
  torch::manual_seed(6);
  RangeNorm norm(RangeNormOptions(3).momentum(1));
  const auto x = torch::randn({8, 3, 4, 4});
  const auto trained = norm.forward(x);
  norm.eval();
  EXPECT_TRUE(torch::allclose(norm.forward(x), trained, 1e-5, 1e-6));
  const auto before = norm.named_buffers()["running_mean"].clone();
  norm.forward(x.add(5));
  EXPECT_TRUE(torch::equal(norm.named_buffers()["running_mean"], before));
}

TEST(RangeNorm, TakesABatchNorm) {
  torch::manual_seed(7);
  torch::nn::BatchNorm2d batch(4);
  {
    torch::NoGradGuard no_grad;
    batch->weight.normal_();
    batch->bias.normal_();
    batch->running_mean.normal_();
    batch->running_var.uniform_(0.5, 2);
  }
  batch->eval();
  RangeNorm norm(RangeNormOptions(4).input_bits(0));
  norm.take(*batch);
  norm.eval();
  const auto x = torch::randn({2, 4, 5, 5});
  EXPECT_TRUE(torch::allclose(norm.forward(x), batch->forward(x), 1e-3, 1e-4)) << "eps is added to sigma";
}

TEST(RangeNorm, EstimatesAverageOverTheirBatches) {
  torch::manual_seed(8);
  RangeNorm norm(RangeNormOptions(2).input_bits(0));
  const auto a = torch::randn({4, 2, 4, 4}), b = torch::randn({4, 2, 4, 4}).mul_(2);
  const auto mean = a.mean(at::IntArrayRef({0, 2, 3})).add(b.mean(at::IntArrayRef({0, 2, 3}))).div(2);
  norm.begin_estimate();
  norm.forward(a);
  norm.forward(b);
  norm.end_estimate();
  EXPECT_TRUE(torch::allclose(norm.named_buffers()["running_mean"], mean, 1e-4, 1e-5));
  const auto before = norm.named_buffers()["running_sigma"].clone();
  norm.begin_estimate();
  norm.end_estimate();
  EXPECT_TRUE(torch::equal(norm.named_buffers()["running_sigma"], before))
      << "without a batch nothing changes";
}

TEST(RangeNorm, BFloat16IsComputedInFloat32) {
  torch::manual_seed(9);
  RangeNorm norm(RangeNormOptions(3));
  const auto x = torch::randn({4, 3, 4, 4}, torch::kBFloat16).set_requires_grad(true);
  const auto y = norm.forward(x);
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  y.sum().backward();
  EXPECT_EQ(x.grad().scalar_type(), torch::kBFloat16);
  EXPECT_EQ(norm.named_parameters()["weight"].grad().scalar_type(), torch::kFloat32);
}

TEST(RangeNorm, RefusesWhatItCannotNormalize) {
  RangeNorm norm(RangeNormOptions(3));
  EXPECT_THROW(norm.forward(torch::zeros({2, 4, 3, 3})), std::invalid_argument);
  EXPECT_THROW(norm.forward(torch::zeros({2, 3, 3})), std::invalid_argument);
  EXPECT_THROW(norm.forward(torch::zeros({1, 3, 1, 1})), std::invalid_argument) << "one value a channel";
  norm.eval();
  norm.forward(torch::zeros({1, 3, 1, 1}));
  EXPECT_THROW(RangeNorm(RangeNormOptions(0)), std::invalid_argument);
  EXPECT_THROW(RangeNorm(RangeNormOptions(3).most_chunks(0)), std::invalid_argument);
}

TEST(RangeNormKernels, ServeChannelsLastFloat32) {
  EXPECT_TRUE(can_use_range_norm_kernels(torch::zeros({2, 3})));
  EXPECT_TRUE(
      can_use_range_norm_kernels(torch::zeros({2, 3, 4, 4}).contiguous(torch::MemoryFormat::ChannelsLast)));
  EXPECT_FALSE(can_use_range_norm_kernels(torch::zeros({2, 3, 4, 4})));
  EXPECT_FALSE(can_use_range_norm_kernels(torch::zeros({2, 3}, torch::kFloat64)));
}

}  // namespace
}  // namespace bsq::test
