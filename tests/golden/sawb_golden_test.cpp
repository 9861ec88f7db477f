#include <torch/utils.h>

#include "bsq/methods/sawb/pact_clip_ste.h"
#include "bsq/methods/sawb/sawb_quantizer.h"
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

SawbKind kind_of(const GoldenFile& golden, const std::string& name) {
  if (golden.has_attribute(name, "variant") && golden.text(name, "variant") == "twice_mean") {
    return SawbKind::kTwiceMean;
  }
  return golden.number(name, "channel_wise") != 0 ? SawbKind::kChannel : SawbKind::kLayer;
}

// The clips as recorded; max|w| where the published formula gives none.
torch::Tensor sound_clips(const torch::Tensor& golden, const torch::Tensor& weight) {
  const auto largest = weight.abs().reshape({golden.numel(), -1}).amax(/*dim=*/1).view(golden.sizes());
  return torch::where(golden > 0, golden, largest);
}

void expect_sawb_case(const GoldenFile& golden, const std::string& name) {
  const auto bits = static_cast<int64_t>(golden.number(name, "bits"));
  const auto kind = kind_of(golden, name);
  const SawbQuantizer quantizer(bits, kind);
  const auto weight = golden.tensor(name + "/input").set_requires_grad(true);
  const auto published = golden.tensor(name + "/alpha");
  expect_near(sawb_clip(weight, bits, kind), sound_clips(published, weight.detach()), name + " clip");
  if (golden.number(name, "degenerate") != 0) {
    return;  // the published values are not to be imitated
  }
  const auto codes = quantizer.codes(weight);
  EXPECT_TRUE(torch::equal(codes.integers.to(torch::kFloat64), golden.tensor(name + "/codes"))) << name;
  const auto value = quantizer.forward(weight);
  expect_near(value.detach(), golden.tensor(name + "/output"), name + " output");
  EXPECT_TRUE(torch::equal(value_of(codes), value.detach())) << name;
  value.backward(golden.tensor(name + "/r"));
  expect_near(weight.grad(), golden.tensor(name + "/grad"), name + " gradient");
}

void expect_pact_case(const GoldenFile& golden, const std::string& name) {
  const auto input = golden.tensor(name + "/input");
  const auto output = golden.tensor(name + "/output");
  if (input.size(1) <= 3) {  // here no quantizer stands in front of what reads the image
    EXPECT_TRUE(torch::equal(output, input)) << name;
    return;
  }
  const auto x = input.set_requires_grad(true);
  const auto alpha = golden.tensor(name + "/alpha").squeeze().set_requires_grad(true);
  const auto value = pact_clip_ste(x, alpha, static_cast<int64_t>(golden.number(name, "bits")));
  expect_near(value.detach(), output, name + " output");
  value.backward(golden.tensor(name + "/r"));
  expect_near(x.grad(), golden.tensor(name + "/dx"), name + " dx");
  expect_near(alpha.grad(), golden.tensor(name + "/dalpha"), name + " dalpha");
}

template <typename Case>
int expect_cases(const GoldenFile& golden, const std::string& group, Case expect_case) {
  int cases = 0;
  for (const auto& member : golden.members(group)) {
    const auto name = group + member;
    if (golden.has_attribute(name, "bits")) {
      expect_case(golden, name);
      ++cases;
    } else {
      cases += expect_cases(golden, name + "/", expect_case);
    }
  }
  return cases;
}

template <typename Case>
void expect_every_case(const std::string& file, Case expect_case) {
  const auto path = golden_methods_path(file);
  if (path.empty()) {
    GTEST_SKIP() << "the golden folder of methods is missing";
  }
  EXPECT_GT(expect_cases(GoldenFile(path), "/", expect_case), 0);
}

TEST(SawbGolden, WeightQuantizer) { expect_every_case("sawb.h5", expect_sawb_case); }

TEST(SawbGolden, ActivationQuantizer) { expect_every_case("pact.h5", expect_pact_case); }

}  // namespace
}  // namespace bsq::test
