#include "bsq/graph/norm_activation.h"

#include <torch/nn/modules/batchnorm.h>
#include <torch/utils.h>

#include "tests/support.h"

namespace bsq::test {
namespace {

struct Pieces {
  torch::nn::BatchNorm2d norm{8};
  ActivationQuantizer activation{ActivationQuantizerOptions(4)};

  explicit Pieces(torch::ScalarType type = torch::kFloat32) {
    torch::manual_seed(3);
    torch::NoGradGuard no_grad;
    norm->weight.uniform_(0.5, 1.5);
    norm->bias.normal_();
    norm->to(type);
    activation->to(type);
  }
};

// One after the other, in float64 for the reference.
torch::Tensor separately(Pieces& pieces, const torch::Tensor& x, const torch::Tensor& residual) {
  return pieces.activation(pieces.norm(x) + residual);
}

double range_of(const ActivationQuantizer& activation) {
  return activation->named_buffers()["range"].item<double>();
}

TEST(NormActivation, IsTheModulesOneAfterTheOther) {
  const auto x = torch::randn({4, 8, 6, 6}), residual = torch::randn({4, 8, 6, 6});
  for (const bool is_training : {true, false}) {
    Pieces ours, theirs(torch::kFloat64);
    for (auto* pieces : {&ours, &theirs}) {
      pieces->norm->train(is_training);
      pieces->activation->train(is_training);
    }
    const auto found = normalize_activate(ours.norm, ours.activation, x, residual);
    const auto expected = separately(theirs, x.to(torch::kFloat64), residual.to(torch::kFloat64));
    const auto differing = (found.to(torch::kFloat64) - expected).abs().gt(1e-4).sum().item<int64_t>();
    EXPECT_LE(differing, 1);
    EXPECT_EQ(ours.norm->num_batches_tracked.item<int64_t>(), is_training ? 1 : 0);
    EXPECT_TRUE(torch::allclose(ours.norm->running_var.to(torch::kFloat64), theirs.norm->running_var, 1e-5));
    EXPECT_NEAR(range_of(ours.activation), range_of(theirs.activation), 1e-5);
  }
}

TEST(NormActivation, TracksAndUsesTheRange) {
  Pieces pieces;
  const auto x = torch::randn({4, 8, 6, 6});
  normalize_activate(pieces.norm, pieces.activation, x);
  const double first = range_of(pieces.activation);
  EXPECT_GT(first, 0);
  normalize_activate(pieces.norm, pieces.activation, 2 * x);
  pieces.norm->eval();
  pieces.activation->eval();
  const double stored = range_of(pieces.activation);
  EXPECT_FLOAT_EQ(normalize_activate(pieces.norm, pieces.activation, 100 * x).max().item<float>(),
                  static_cast<float>(stored));
  EXPECT_DOUBLE_EQ(range_of(pieces.activation), stored);
}

TEST(NormActivation, Float64TakesTheModulesThemselves) {
  Pieces ours(torch::kFloat64), theirs(torch::kFloat64);
  const auto x = torch::randn({2, 8, 5, 5}, torch::kFloat64),
             residual = torch::randn({2, 8, 5, 5}, torch::kFloat64);
  EXPECT_TRUE(torch::equal(normalize_activate(ours.norm, ours.activation, x, residual),
                           separately(theirs, x, residual)));
}

TEST(NormActivation, NormAloneAndWithRelu) {
  Pieces ours, theirs;
  const auto x = torch::randn({3, 8, 7, 5});
  EXPECT_TRUE(torch::allclose(normalize(ours.norm, x), theirs.norm(x), 1e-4, 1e-5));
  EXPECT_TRUE(torch::allclose(normalize_relu(ours.norm, x), torch::relu(theirs.norm(x)), 1e-4, 1e-5));
}

TEST(NormActivation, ASingleValueHasNoVariance) {
  Pieces pieces;
  EXPECT_ANY_THROW(normalize(pieces.norm, torch::randn({1, 8, 1, 1})));
}

TEST(NormActivation, BfloatStaysBfloat) {
  Pieces ours, theirs;
  const auto x = torch::randn({3, 8, 7, 5}).to(torch::kBFloat16);
  const auto found = normalize(ours.norm, x);
  EXPECT_EQ(found.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(torch::allclose(found.to(torch::kFloat32), theirs.norm(x.to(torch::kFloat32)), 0.01, 0.01));
}

}  // namespace
}  // namespace bsq::test
