#include "bsq/methods/int8/affine.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "bsq/kernels/affine_kernels.h"
#include "bsq/methods/int8/int8_quantizer.h"

namespace bsq::test {
namespace {

// One number, in its own type, as the formula has it.
template <typename T>
T slow_quantize(T x, T low, T range, int64_t bits, T noise) {
  const auto levels = static_cast<T>(max_integer(bits));
  const T scale = range / levels;
  if (!(scale > 0)) {
    return x;
  }
  const T steps = (x - low) / scale + noise;
  const T clamped = steps < 0 ? 0 : (steps > levels ? levels : steps);
  return std::nearbyint(clamped) * scale + low;
}

template <typename T>
torch::Tensor slow_quantize_all(const torch::Tensor& x, const AffineRange& range, int64_t bits,
                                const torch::Tensor& noise) {
  const auto flat = x.contiguous(), added = noise.contiguous();
  auto out = torch::empty_like(flat);
  for (int64_t i = 0; i < x.numel(); ++i) {
    out.data_ptr<T>()[i] = slow_quantize<T>(flat.data_ptr<T>()[i], range.low.item<T>(), range.range.item<T>(),
                                            bits, added.data_ptr<T>()[i]);
  }
  return out;
}

std::vector<torch::Tensor> random_tensors(torch::ScalarType type) {
  std::vector<torch::Tensor> tensors;
  for (const auto& shape :
       std::vector<std::vector<int64_t>>{{7}, {3, 5}, {1, 1, 1, 1}, {4, 3, 9, 7}, {2, 64, 33, 17}}) {
    tensors.push_back(torch::randn(shape, type).add_(0.3));
  }
  tensors.push_back(tensors.back().contiguous(torch::MemoryFormat::ChannelsLast));
  tensors.push_back(torch::randn({6, 8}, type).t());
  return tensors;
}

TEST(Affine, IsTheSlowFormulaInEitherType) {
  torch::manual_seed(1);
  for (const auto& x : random_tensors(torch::kFloat64)) {
    for (const int64_t bits : {1, 2, 5, 8, 16}) {
      const auto range = range_of_samples(x);
      const auto none = torch::zeros(x.sizes(), torch::kFloat64);
      EXPECT_TRUE(
          torch::equal(affine_quantize(x, range, bits), slow_quantize_all<double>(x, range, bits, none)));
    }
  }
  for (const auto& x : random_tensors(torch::kFloat32)) {
    for (const int64_t bits : {1, 2, 5, 8, 16}) {
      const auto range = range_of_samples(x);
      const auto none = torch::zeros(x.sizes());
      EXPECT_TRUE(
          torch::equal(affine_quantize(x, range, bits), slow_quantize_all<float>(x, range, bits, none)))
          << x.sizes() << " " << bits;
      const auto key = noise_key(1, 2, 3);
      const auto dense = x.is_non_overlapping_and_dense() ? x : x.contiguous();
      EXPECT_TRUE(torch::equal(affine_quantize(dense, range, bits, key),
                               slow_quantize_all<float>(dense, range, bits, noise_like(dense, key))))
          << x.sizes() << " " << bits;
    }
  }
}

TEST(Affine, RangesAreThoseOfTheSlowFormula) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& x : random_tensors(type)) {
      const auto rows = x.reshape({x.size(0), -1});
      const auto whole = range_of_tensor(x);
      EXPECT_EQ(whole.low.item<double>(), x.min().item<double>());
      EXPECT_EQ(whole.range.item<double>(), x.max().sub(x.min()).item<double>());
      const auto channels = range_of_channels(x);
      EXPECT_TRUE(torch::equal(channels.low, rows.amin(1)));
      EXPECT_TRUE(torch::equal(channels.range, rows.amax(1).sub(rows.amin(1))));
      const auto samples = range_of_samples(x);
      EXPECT_NEAR(samples.low.item<double>(), rows.amin(1).mean().item<double>(), 1e-6);
      EXPECT_NEAR(samples.range.item<double>(), rows.amax(1).mean().sub(rows.amin(1).mean()).item<double>(),
                  1e-6);
    }
  }
}

TEST(Affine, KernelsKeepTheirPiecesApart) {
  torch::manual_seed(3);
  const auto x = torch::randn({3, 1 << 15});  // each part is cut into pieces
  const auto [low, high] = extremes_kernel(x, 3);
  EXPECT_TRUE(torch::equal(low, x.amin(1)));
  EXPECT_TRUE(torch::equal(high, x.amax(1)));
}

TEST(Affine, ARangeOfZeroGivesTheValuesThemselves) {
  for (const double value : {0.0, -1.5}) {
    for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
      const auto x = torch::full({4, 3}, value, type);
      for (const auto& range : {range_of_tensor(x), range_of_samples(x), range_of_channels(x)}) {
        EXPECT_TRUE(torch::equal(affine_quantize(x, range, /*bits=*/8), x));
        EXPECT_TRUE(torch::equal(affine_quantize(x, range, /*bits=*/8, noise_key(1, 2, 3)), x));
      }
      const auto codes = affine_codes(x, range_of_channels(x), /*bits=*/8);
      EXPECT_TRUE(torch::equal(value_of(codes), x.to(codes.scale.scalar_type())));
    }
  }
}

TEST(Affine, NotANumberStaysOne) {
  auto x = torch::randn({2, 40});
  x[1][7] = std::numeric_limits<float>::quiet_NaN();
  const auto y = affine_quantize(x, range_of_tensor(x), /*bits=*/8);
  EXPECT_TRUE(std::isnan(y[1][7].item<float>()));
  EXPECT_EQ(y.isnan().sum().item<int64_t>(), 1);
}

TEST(Affine, TheGradientPassesStraightAlsoWhereValuesAreClipped) {
  torch::manual_seed(4);
  const auto x = torch::randn({4, 50}).set_requires_grad(true);
  const auto gradient = torch::randn({4, 50});
  const auto y = affine_quantize_ste(x, range_of_samples(x), /*bits=*/3);
  EXPECT_GT(x.detach().max().item<float>(), y.max().item<float>()) << "some values are clipped";
  y.backward(gradient);
  EXPECT_TRUE(torch::equal(x.grad(), gradient));
}

TEST(RoundingNoise, IsUniformAndAFunctionOfKeyAndPosition) {
  const auto x = torch::empty({1 << 20});
  const auto noise = noise_like(x, noise_key(7, 0, 0));
  EXPECT_GE(noise.min().item<float>(), -0.5F);
  EXPECT_LT(noise.max().item<float>(), 0.5F);
  EXPECT_NEAR(noise.mean().item<double>(), 0, 2e-3);
  EXPECT_NEAR(noise.var().item<double>(), 1.0 / 12, 1e-3);
  EXPECT_TRUE(torch::equal(noise, noise_like(x, noise_key(7, 0, 0))));
  EXPECT_TRUE(torch::equal(noise.narrow(0, 0, 100), noise_like(torch::empty({100}), noise_key(7, 0, 0))));
  const auto product = noise.narrow(0, 0, (1 << 20) - 1).mul(noise.narrow(0, 1, (1 << 20) - 1)).mean();
  EXPECT_NEAR(product.item<double>(), 0, 1e-3) << "neighbours are not related";
}

TEST(RoundingNoise, StreamsOfOtherKeysAreNotRelated) {
  const auto x = torch::empty({1 << 16});
  const auto noise = noise_like(x, noise_key(7, 3, 5));
  for (const auto& key : {noise_key(8, 3, 5), noise_key(7, 4, 5), noise_key(7, 3, 6), noise_key(3, 7, 5)}) {
    EXPECT_NEAR(noise.mul(noise_like(x, key)).mean().item<double>(), 0, 2e-3);
  }
}

TEST(RoundingNoise, RoundsWithoutBias) {
  const auto x = torch::linspace(0, 1, 1000);
  const auto range = AffineRange{torch::tensor(0.0F), torch::tensor(1.0F)};
  auto sum = torch::zeros_like(x);
  constexpr int64_t kRounds = 2000;
  for (int64_t i = 0; i < kRounds; ++i) {
    sum += affine_quantize(x, range, /*bits=*/2, noise_key(1, static_cast<uint64_t>(i), 0));
  }
  EXPECT_LT(sum.div(kRounds).sub(x).abs().max().item<double>(), 0.02);
}

TEST(RoundingNoise, DoesNotDependOnTheThreads) {
  torch::manual_seed(5);
  const auto x = torch::randn({5, 40000});
  const int threads = torch::get_num_threads();
  torch::set_num_threads(1);
  const auto one = affine_quantize(x, range_of_tensor(x), 8, noise_key(1, 2, 3));
  torch::set_num_threads(3);
  const auto three = affine_quantize(x, range_of_tensor(x), 8, noise_key(1, 2, 3));
  torch::set_num_threads(threads);
  EXPECT_TRUE(torch::equal(one, three));
}

TEST(Int8Quantizer, ValuesAreThoseOfItsCodes) {
  torch::manual_seed(6);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& shape : std::vector<std::vector<int64_t>>{{5, 3, 3, 3}, {4, 7}, {9}, {1, 1}}) {
      for (int64_t bits = kMinBits; bits <= kMaxBits; ++bits) {
        const auto x = torch::randn(shape, type);
        const Int8Quantizer quantizer(bits);
        const auto codes = quantizer.codes(x);
        EXPECT_TRUE(torch::equal(value_of(codes), quantizer.forward(x)));
        EXPECT_EQ(codes.scale.dim(), x.dim() > 1 ? 1 : 0);
        EXPECT_GE(codes.integers.min().item<int64_t>(), 0);
        EXPECT_LE(codes.integers.max().item<int64_t>(), max_integer(bits));
      }
    }
  }
  EXPECT_THROW(Int8Quantizer(0), std::invalid_argument);
  EXPECT_THROW(Int8Quantizer(17), std::invalid_argument);
}

TEST(Int8Quantizer, RefusesAnotherGrid) {
  StoredTensor stored;
  stored.encoding = Encoding::kLatent;
  stored.value = torch::randn({2, 2});
  stored.format = twos_complement(8);
  EXPECT_THROW(Int8Quantizer::load(stored, torch::dtype(torch::kFloat32)), std::invalid_argument);
  stored.format = affine_format(8);
  EXPECT_EQ(Int8Quantizer::load(stored, torch::dtype(torch::kFloat32))->kind(), "int8");
}

}  // namespace
}  // namespace bsq::test
