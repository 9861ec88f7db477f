#include <torch/utils.h>

#include <cmath>
#include <memory>
#include <utility>

#include "bsq/methods/profit/duq_activation.h"
#include "bsq/methods/profit/duq_quantizer.h"
#include "bsq/methods/profit/instability.h"
#include "bsq/methods/profit/progression.h"
#include "tests/golden/golden_file.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr double kTolerance = 1e-9;

void expect_near(const torch::Tensor& ours, const torch::Tensor& golden, const std::string& what) {
  ASSERT_EQ(ours.numel(), golden.numel()) << what;
  const auto expected = golden.view(ours.sizes());
  const double size = std::max(expected.abs().max().item<double>(), 1e-12);
  EXPECT_LE((ours - expected).abs().max().item<double>(), kTolerance * size) << what;
}

int64_t bits_of(const GoldenFile& golden, const std::string& name) {
  return static_cast<int64_t>(golden.number(name, "bits"));
}

torch::Tensor slot_of(const Slots& slots, const std::string& name) {
  for (const auto& slot : slots) {
    if (slot.name == name) {
      return slot.tensor;
    }
  }
  throw std::logic_error("no slot " + name);
}

void expect_weight_case(const GoldenFile& golden, const std::string& name) {
  const auto a = golden.tensor(name + "/a"), c = golden.tensor(name + "/c");
  const DuqQuantizer quantizer(bits_of(golden, name), a, c);
  EXPECT_EQ(quantizer.format().levels, static_cast<int64_t>(golden.number(name, "n"))) << name;
  const auto weight = golden.tensor(name + "/input").set_requires_grad(true);
  const auto value = quantizer.forward(weight);
  expect_near(value.detach(), golden.tensor(name + "/output"), name + " output");
  EXPECT_TRUE(torch::equal(value_of(quantizer.codes(weight)), value.detach())) << name;
  value.backward(golden.tensor(name + "/r"));
  expect_near(weight.grad(), golden.tensor(name + "/dinput"), name + " dinput");
  expect_near(slot_of(quantizer.slots(), "a").grad(), golden.tensor(name + "/da"), name + " da");
  expect_near(slot_of(quantizer.slots(), "c").grad(), golden.tensor(name + "/dc"), name + " dc");
  const auto fresh = DuqQuantizer::for_weights(weight, bits_of(golden, name), a.dim() == 1);
  const auto start = torch::full_like(a, golden.number(name, "start"));
  expect_near(slot_of(fresh->slots(), "a").detach(), start, name + " start");
}

void expect_activation_case(const GoldenFile& golden, const std::string& name) {
  const auto kind = golden.text(name, "kind");
  const auto x = golden.tensor(name + "/input").set_requires_grad(true);
  const auto a = golden.tensor(name + "/a").squeeze().set_requires_grad(true);
  const auto c = golden.tensor(name + "/c").squeeze().set_requires_grad(true);
  const auto read = kind == "relu" || kind == "relu6" ? x.relu() : x;
  const auto grid =
      kind == "sym" ? duq_weight_grid(bits_of(golden, name)) : duq_activation_grid(bits_of(golden, name));
  EXPECT_EQ(grid.levels, static_cast<int64_t>(golden.number(name, "levels"))) << name;
  const auto y = duq_ste(read, a, c, grid);
  expect_near(y.detach(), golden.tensor(name + "/output"), name + " output");
  y.backward(golden.tensor(name + "/r"));
  expect_near(x.grad(), golden.tensor(name + "/dinput"), name + " dinput");
  expect_near(a.grad(), golden.tensor(name + "/da"), name + " da");
  expect_near(c.grad(), golden.tensor(name + "/dc"), name + " dc");
  if (kind == "sym") {
    auto duq = std::make_unique<DuqActivation>(bits_of(golden, name));
    duq->set_input({/*may_be_negative=*/true});
    ActivationQuantizer activation(std::move(duq));
    activation->to(torch::kFloat64);
    torch::NoGradGuard no_grad;
    for (const auto& slot : activation->slots()) {
      slot.tensor.copy_(slot.name == "a" ? a : c);
    }
    expect_near(activation->forward(x.detach()), y.detach(), name + " as an activation");
  }
  if (kind == "aq") {
    EXPECT_NEAR(duq_inverse_softplus(duq_start(x.detach())), golden.number(name, "start"), kTolerance)
        << name;
  }
}

TEST(ProfitGolden, WeightsAreQuantizedAsPublished) {
  const auto path = golden_methods_path("profit.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the golden folder of methods is missing";
  }
  const GoldenFile golden(path);
  const auto cases = golden.members("weight_quantizer");
  for (const auto& name : cases) {
    expect_weight_case(golden, "weight_quantizer/" + name);
  }
  EXPECT_FALSE(cases.empty());
}

// All kinds but h-swish, which no network here has.
TEST(ProfitGolden, ActivationsAreQuantizedAsPublished) {
  const auto path = golden_methods_path("profit.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the golden folder of methods is missing";
  }
  const GoldenFile golden(path);
  int cases = 0;
  for (const auto& name : golden.members("activation_quantizer")) {
    if (golden.text("activation_quantizer/" + name, "kind") != "hswish") {
      expect_activation_case(golden, "activation_quantizer/" + name);
      ++cases;
    }
  }
  EXPECT_GT(cases, 0);
}

TEST(ProfitGolden, TheRateIsThePublishedOne) {
  const auto path = golden_methods_path("profit.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the golden folder of methods is missing";
  }
  const GoldenFile golden(path);
  const auto names = golden.members("schedule");
  for (const auto& name : names) {
    const auto rates = golden.tensor("schedule/" + name);
    const int64_t warmup = std::stoll(name.substr(0, name.find('_')));
    for (int64_t epoch = 0; epoch < rates.numel(); ++epoch) {
      EXPECT_NEAR(profit_rate(epoch, warmup, rates.numel()), rates[epoch].item<double>(), kTolerance)
          << name << " epoch " << epoch;
    }
  }
  EXPECT_FALSE(names.empty());
}

}  // namespace
}  // namespace bsq::test
