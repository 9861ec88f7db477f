#include "tests/golden/golden_model.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr double kLogitTolerance = 1e-6;

// "bits5" of "bits5" and of "bits5_pact3".
int64_t number_after(const std::string& text, const std::string& word) {
  const auto at = text.find(word);
  return at == std::string::npos ? 0 : std::stoll(text.substr(at + word.size()));
}

void expect_outputs(const GoldenFile& golden, const std::string& group, Network& network) {
  network.to(torch::kFloat64);
  const auto evaluation = evaluate_exactly(network);
  const auto difference = (evaluation.first_logits - golden.tensor(group + "/logits_first_64")).abs().max();
  EXPECT_LE(difference.item<double>(), kLogitTolerance) << group;
  EXPECT_NEAR(evaluation.top1, golden.number(group, "top1"), 1e-4) << group;
}

TEST(ConvertGolden, FloatNetwork) {
  const auto path = golden_path("convert.h5");
  if (path.empty() || !has_shared_files()) {
    GTEST_SKIP() << "the golden folder or the shared checkpoint is missing";
  }
  const GoldenFile golden(path);
  for (const auto& name : golden.members("float")) {
    if (name.rfind("act", 0) == 0) {
      expect_outputs(golden, "float/" + name, *pretrained_network(number_after(name, "act")));
    }
  }
}

void check_width(const GoldenFile& golden, const std::string& name) {
  const int64_t pact = number_after(name, "pact");
  const int64_t act = pact != 0 ? pact : static_cast<int64_t>(golden.number(name, "act_bits"));
  const auto network = pretrained_network(act);
  to_bits(*network, LayerRules(number_after(name, "bits")));
  if (pact == 0) {
    const auto sizes = sizes_of(*network);
    EXPECT_EQ(sizes.weights, static_cast<int64_t>(golden.number(name, "weights")));
    EXPECT_EQ(sizes.bits_total, static_cast<int64_t>(golden.number(name, "bits_total")));
    expect_bits(golden, name, *network, /*tolerance=*/0);
  }
  expect_outputs(golden, name, *network);
}

TEST(ConvertGolden, EveryWidth) {
  const auto path = golden_path("convert.h5");
  if (path.empty() || !has_shared_files()) {
    GTEST_SKIP() << "the golden folder or the shared checkpoint is missing";
  }
  const GoldenFile golden(path);
  int64_t groups = 0;
  for (const auto& name : golden.members("/")) {
    if (name.rfind("bits", 0) != 0) {
      continue;
    }
    ++groups;
    check_width(golden, name);
  }
  EXPECT_GT(groups, 0);
}

}  // namespace
}  // namespace bsq::test
