#include "bsq/quant/activation_quantizer.h"

#include <limits>
#include <sstream>
#include <stdexcept>

#include "bsq/quant/activation_ste.h"
#include "tests/bsq/quant/slow_quantization.h"

namespace bsq::test {
namespace {

ActivationQuantizer quantizer(int64_t bits, bool batch_range = false) {
  return ActivationQuantizer(ActivationQuantizerOptions(bits).batch_range(batch_range));
}

std::vector<std::string> names_of(const torch::OrderedDict<std::string, torch::Tensor>& tensors) {
  return tensors.keys();
}

TEST(ActivationQuantizer, HoldsWhatItsWidthNeeds) {
  using Names = std::vector<std::string>;
  for (const int64_t bits : {0, 1, 2, 3, 4, 8, 32}) {
    const auto layer = quantizer(bits);
    const bool is_pact = bits >= 1 && bits <= 3;
    EXPECT_EQ(names_of(layer->named_parameters()), is_pact ? Names{"alpha"} : Names{}) << bits << " bits";
    EXPECT_EQ(names_of(layer->named_buffers()), bits > 0 ? Names{"range"} : Names{}) << bits << " bits";
    if (is_pact) {
      EXPECT_EQ(layer->alpha.item<float>(), 10.0F);
      EXPECT_EQ(layer->alpha.dim(), 0);
      EXPECT_TRUE(layer->alpha.requires_grad());
    }
    if (bits > 0) {
      EXPECT_EQ(layer->range.item<float>(), -1.0F);
    }
  }
}

TEST(ActivationQuantizer, RefusesOtherWidths) {
  EXPECT_THROW(quantizer(-1), std::invalid_argument);
  EXPECT_THROW(quantizer(33), std::invalid_argument);
}

TEST(ActivationQuantizer, ZeroBitsAreReLU6Alone) {
  torch::manual_seed(1);
  const auto x = torch::randn({4, 5}).mul_(5);
  EXPECT_TRUE(torch::equal(quantizer(0)->forward(x), torch::relu6(x)));
  EXPECT_FALSE(quantizer(0)->needs_calibration());
}

TEST(ActivationQuantizer, TrainsWithTheBatchsOwnMaximum) {
  torch::manual_seed(2);
  auto relu6 = quantizer(4);
  auto pact = quantizer(3);
  for (int batch = 0; batch < 3; ++batch) {
    const auto x = torch::randn({4, 5}).mul_(batch + 1);
    const auto clipped = torch::relu6(x);
    EXPECT_TRUE(torch::equal(relu6->forward(x), quantize_unsigned(clipped, 4, clipped.max())));
    const auto alpha_clipped = x.clamp(0, 10);
    EXPECT_TRUE(torch::equal(pact->forward(x), quantize_unsigned(alpha_clipped, 3, alpha_clipped.max())));
  }
}

TEST(ActivationQuantizer, TracksTheRangeLikeBatchNorm) {
  auto layer = quantizer(4);
  layer->forward(torch::tensor({-1.0F, 2.0F}));
  EXPECT_EQ(layer->range.item<float>(), 2.0F) << "the first batch sets it";
  layer->forward(torch::tensor({5.0F, 1.0F}));
  EXPECT_NEAR(layer->range.item<float>(), 0.9 * 2 + 0.1 * 5, 1e-6);
  layer->forward(torch::tensor({100.0F}));
  EXPECT_NEAR(layer->range.item<float>(), 0.9 * 2.3 + 0.1 * 6, 1e-6) << "ReLU6 comes before";
}

TEST(ActivationQuantizer, AFirstBatchOfZerosCountsAsTracked) {
  auto layer = quantizer(4);
  layer->forward(torch::tensor({-1.0F}));
  EXPECT_EQ(layer->range.item<float>(), 0.0F);
  layer->forward(torch::tensor({1.0F}));
  EXPECT_NEAR(layer->range.item<float>(), 0.1, 1e-7);
}

TEST(ActivationQuantizer, EvaluationUsesTheFrozenRange) {
  torch::manual_seed(3);
  auto layer = quantizer(4);
  layer->forward(torch::rand({8, 5}).mul_(3));
  const auto range = layer->range.clone();
  layer->eval();
  const auto x = torch::rand({8, 5}).mul_(6);
  const auto y = layer->forward(x);
  EXPECT_TRUE(torch::equal(y, quantize_unsigned(x, 4, range)));
  EXPECT_EQ(y.max().item<float>(), quantize_unsigned(range, 4, range).item<float>()) << "saturates";
  EXPECT_TRUE(torch::equal(layer->range, range)) << "no tracking at test time";
  for (int64_t image = 0; image < 8; ++image) {
    EXPECT_TRUE(torch::equal(layer->forward(x.narrow(0, image, 1)), y.narrow(0, image, 1)))
        << "an image's result does not depend on the others of its batch";
  }
}

TEST(ActivationQuantizer, BatchRangeTakesTheBatchsMaximumAtTestTime) {
  torch::manual_seed(4);
  auto layer = quantizer(4, /*batch_range=*/true);
  EXPECT_FALSE(layer->needs_calibration());
  layer->forward(torch::full({3}, 0.5F));
  layer->eval();
  const auto x = torch::rand({8, 5}).mul_(5);
  EXPECT_TRUE(torch::equal(layer->forward(x), quantize_unsigned(x, 4, x.max())));
}

TEST(ActivationQuantizer, WithoutARangeEvaluationTakesTheBatchs) {
  torch::manual_seed(5);
  auto layer = quantizer(4);
  layer->eval();
  EXPECT_TRUE(layer->needs_calibration());
  const auto x = torch::rand({8, 5}).mul_(5);
  EXPECT_TRUE(torch::equal(layer->forward(x), quantize_unsigned(x, 4, x.max())));
  EXPECT_TRUE(layer->needs_calibration());
}

TEST(ActivationQuantizer, CalibrationAveragesTheMaxima) {
  auto layer = quantizer(4);
  layer->eval();
  layer->begin_calibration();
  const std::vector<float> maxima = {1, 4, 2, 6, 3};
  for (const float maximum : maxima) {
    const auto x = torch::tensor({0.3F, maximum});
    EXPECT_TRUE(torch::equal(layer->forward(x), quantize_unsigned(x, 4, torch::tensor(maximum))));
  }
  layer->end_calibration();
  EXPECT_FALSE(layer->needs_calibration());
  EXPECT_NEAR(layer->range.item<float>(), 16.0 / 5, 1e-6);
  const auto after = layer->forward(torch::tensor({6.0F}));
  EXPECT_NEAR(after.item<float>(), 16.0 / 5, 1e-5) << "the range is frozen again";
}

TEST(ActivationQuantizer, CalibrationReplacesAnOldRange) {
  auto layer = quantizer(4);
  layer->forward(torch::tensor({5.0F}));
  layer->eval();
  layer->begin_calibration();
  layer->forward(torch::tensor({2.0F}));
  layer->end_calibration();
  EXPECT_EQ(layer->range.item<float>(), 2.0F);
}

TEST(ActivationQuantizer, CalibrationNeedsABatch) {
  auto layer = quantizer(4);
  layer->begin_calibration();
  EXPECT_THROW(layer->end_calibration(), std::logic_error);
  auto unquantized = quantizer(0);
  unquantized->begin_calibration();
  EXPECT_NO_THROW(unquantized->end_calibration());
}

TEST(ActivationQuantizer, GradientsAreStraightThroughAfterTheActivation) {
  const auto x = torch::tensor({-1.0F, 0.4F, 3.0F, 12.0F}).set_requires_grad(true);
  auto pact = quantizer(2);
  pact->forward(x).backward(torch::tensor({1.0F, 2.0F, 4.0F, 8.0F}));
  EXPECT_TRUE(torch::equal(x.grad(), torch::tensor({0.0F, 2.0F, 4.0F, 0.0F})));
  EXPECT_EQ(pact->alpha.grad().item<float>(), 8.0F);
}

TEST(ActivationQuantizer, ComputesInTheInputsType) {
  torch::manual_seed(6);
  for (const int64_t bits : {2, 4, 32}) {
    auto layer = quantizer(bits);
    const auto x = torch::rand({50}, torch::kFloat64);
    EXPECT_EQ(layer->forward(x).scalar_type(), torch::kFloat64);
    layer->eval();
    EXPECT_EQ(layer->forward(x).scalar_type(), torch::kFloat64);
    layer->to(torch::kFloat64);
    EXPECT_EQ(layer->range.scalar_type(), torch::kFloat64);
    EXPECT_EQ(layer->forward(x).scalar_type(), torch::kFloat64);
  }
}

TEST(ActivationQuantizer, NanStaysNan) {
  const auto x = torch::tensor({0.5F, std::numeric_limits<float>::quiet_NaN()});
  for (const int64_t bits : {0, 3, 4}) {
    auto layer = quantizer(bits);
    EXPECT_TRUE(layer->forward(x)[1].isnan().item<bool>()) << bits << " bits, in training";
    layer->eval();
    EXPECT_TRUE(layer->forward(x)[1].isnan().item<bool>()) << bits << " bits, in evaluation";
  }
}

TEST(ActivationQuantizer, PrintsWidthAndActivation) {
  std::ostringstream text;
  text << *quantizer(3) << *quantizer(4);
  EXPECT_EQ(text.str(), "bsq::ActivationQuantizer(bits=3, PACT)bsq::ActivationQuantizer(bits=4, ReLU6)");
}

}  // namespace
}  // namespace bsq::test
