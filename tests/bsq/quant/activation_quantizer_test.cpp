#include "bsq/quant/activation_quantizer.h"

#include <torch/utils.h>

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

torch::Tensor alpha_of(const ActivationQuantizer& layer) { return layer->named_parameters()["alpha"]; }
torch::Tensor range_of(const ActivationQuantizer& layer) { return layer->named_buffers()["range"]; }

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
      EXPECT_EQ(alpha_of(layer).item<float>(), 10.0F);
      EXPECT_EQ(alpha_of(layer).dim(), 0);
      EXPECT_TRUE(alpha_of(layer).requires_grad());
    }
    if (bits > 0) {
      EXPECT_EQ(range_of(layer).item<float>(), -1.0F);
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
  EXPECT_FALSE(quantizer(0)->activation().needs_calibration());
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
  EXPECT_EQ(range_of(layer).item<float>(), 2.0F) << "the first batch sets it";
  layer->forward(torch::tensor({5.0F, 1.0F}));
  EXPECT_NEAR(range_of(layer).item<float>(), 0.9 * 2 + 0.1 * 5, 1e-6);
  layer->forward(torch::tensor({100.0F}));
  EXPECT_NEAR(range_of(layer).item<float>(), 0.9 * 2.3 + 0.1 * 6, 1e-6) << "ReLU6 comes before";
}

TEST(ActivationQuantizer, AFirstBatchOfZerosCountsAsTracked) {
  auto layer = quantizer(4);
  layer->forward(torch::tensor({-1.0F}));
  EXPECT_EQ(range_of(layer).item<float>(), 0.0F);
  layer->forward(torch::tensor({1.0F}));
  EXPECT_NEAR(range_of(layer).item<float>(), 0.1, 1e-7);
}

TEST(ActivationQuantizer, EvaluationUsesTheFrozenRange) {
  torch::manual_seed(3);
  auto layer = quantizer(4);
  layer->forward(torch::rand({8, 5}).mul_(3));
  const auto range = range_of(layer).clone();
  layer->eval();
  const auto x = torch::rand({8, 5}).mul_(6);
  const auto y = layer->forward(x);
  EXPECT_TRUE(torch::equal(y, quantize_unsigned(x, 4, range)));
  EXPECT_EQ(y.max().item<float>(), quantize_unsigned(range, 4, range).item<float>()) << "saturates";
  EXPECT_TRUE(torch::equal(range_of(layer), range)) << "no tracking at test time";
  for (int64_t image = 0; image < 8; ++image) {
    EXPECT_TRUE(torch::equal(layer->forward(x.narrow(0, image, 1)), y.narrow(0, image, 1)))
        << "an image's result does not depend on the others of its batch";
  }
}

TEST(ActivationQuantizer, BatchRangeTakesTheBatchsMaximumAtTestTime) {
  torch::manual_seed(4);
  auto layer = quantizer(4, /*batch_range=*/true);
  EXPECT_FALSE(layer->activation().needs_calibration());
  layer->forward(torch::full({3}, 0.5F));
  layer->eval();
  const auto x = torch::rand({8, 5}).mul_(5);
  EXPECT_TRUE(torch::equal(layer->forward(x), quantize_unsigned(x, 4, x.max())));
}

TEST(ActivationQuantizer, WithoutARangeEvaluationTakesTheBatchs) {
  torch::manual_seed(5);
  auto layer = quantizer(4);
  layer->eval();
  EXPECT_TRUE(layer->activation().needs_calibration());
  const auto x = torch::rand({8, 5}).mul_(5);
  EXPECT_TRUE(torch::equal(layer->forward(x), quantize_unsigned(x, 4, x.max())));
  EXPECT_TRUE(layer->activation().needs_calibration());
}

TEST(ActivationQuantizer, CalibrationAveragesTheMaxima) {
  auto layer = quantizer(4);
  layer->eval();
  layer->activation().begin_calibration();
  const std::vector<float> maxima = {1, 4, 2, 6, 3};
  for (const float maximum : maxima) {
    const auto x = torch::tensor({0.3F, maximum});
    EXPECT_TRUE(torch::equal(layer->forward(x), quantize_unsigned(x, 4, torch::tensor(maximum))));
  }
  layer->activation().end_calibration();
  EXPECT_FALSE(layer->activation().needs_calibration());
  EXPECT_NEAR(range_of(layer).item<float>(), 16.0 / 5, 1e-6);
  const auto after = layer->forward(torch::tensor({6.0F}));
  EXPECT_NEAR(after.item<float>(), 16.0 / 5, 1e-5) << "the range is frozen again";
}

TEST(ActivationQuantizer, CalibrationReplacesAnOldRange) {
  auto layer = quantizer(4);
  layer->forward(torch::tensor({5.0F}));
  layer->eval();
  layer->activation().begin_calibration();
  layer->forward(torch::tensor({2.0F}));
  layer->activation().end_calibration();
  EXPECT_EQ(range_of(layer).item<float>(), 2.0F);
}

TEST(ActivationQuantizer, CalibrationNeedsABatch) {
  auto layer = quantizer(4);
  layer->activation().begin_calibration();
  EXPECT_THROW(layer->activation().end_calibration(), std::logic_error);
  auto unquantized = quantizer(0);
  unquantized->activation().begin_calibration();
  EXPECT_NO_THROW(unquantized->activation().end_calibration());
}

TEST(ActivationQuantizer, GradientsAreStraightThroughAfterTheActivation) {
  const auto x = torch::tensor({-1.0F, 0.4F, 3.0F, 12.0F}).set_requires_grad(true);
  auto pact = quantizer(2);
  pact->forward(x).backward(torch::tensor({1.0F, 2.0F, 4.0F, 8.0F}));
  EXPECT_TRUE(torch::equal(x.grad(), torch::tensor({0.0F, 2.0F, 4.0F, 0.0F})));
  EXPECT_EQ(alpha_of(pact).grad().item<float>(), 8.0F);
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
    EXPECT_EQ(range_of(layer).scalar_type(), torch::kFloat64);
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

TEST(ActivationQuantizer, OnlyImportedFilesMayLackItsTensors) {
  for (const auto& slot : quantizer(3)->slots()) {
    EXPECT_TRUE(slot.may_be_absent) << slot.name;
    EXPECT_EQ(slot.role == Slot::Role::kTrained, slot.name == "alpha");
  }
}

// Doubles its input, and tracks how often.
class Doubling : public Activation {
 public:
  torch::Tensor forward(const torch::Tensor& x, bool is_training) override {
    if (is_training) {
      calls_.add_(1);
    }
    return x * 2;
  }
  int64_t bits() const override { return 5; }
  Slots slots() const override { return {{"calls", calls_, Slot::Role::kTracked}}; }
  void print(std::ostream& stream) const override { stream << "doubling"; }

 private:
  torch::Tensor calls_ = torch::zeros({});
};

TEST(ActivationQuantizer, TakesAMethodsActivation) {
  auto layer = quantizer(3);
  layer->eval();
  layer->set_activation(std::make_unique<Doubling>());
  EXPECT_FALSE(layer->is_training());
  EXPECT_EQ(names_of(layer->named_buffers()), std::vector<std::string>{"calls"});
  EXPECT_TRUE(layer->named_parameters().is_empty()) << "PACT's alpha has gone";
  EXPECT_TRUE(torch::equal(layer->forward(torch::ones({2})), torch::full({2}, 2.0F)));
  layer->train();
  layer->forward(torch::ones({2}));
  EXPECT_EQ(layer->named_buffers()["calls"].item<float>(), 1.0F);
  EXPECT_FALSE(layer->fused_call().has_value()) << "it is called, unless it says how to be fused";
  std::ostringstream text;
  text << *layer;
  EXPECT_EQ(text.str(), "bsq::ActivationQuantizer(doubling)");
}

TEST(ActivationQuantizer, PrintsWidthAndActivation) {
  std::ostringstream text;
  text << *quantizer(3) << *quantizer(4);
  EXPECT_EQ(text.str(), "bsq::ActivationQuantizer(bits=3, PACT)bsq::ActivationQuantizer(bits=4, ReLU6)");
}

}  // namespace
}  // namespace bsq::test
