#include "bsq/methods/bsq/precision_adjustment.h"
#include "bsq/methods/bsq/requantization.h"
#include "tests/golden/golden_file.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

BitPlanes planes_in(const GoldenFile& golden, const std::string& group) {
  const auto plane_first = [&](const char* name) {
    return golden.tensor(group + "/" + name).movedim(-1, 0).contiguous().to(torch::kFloat32);
  };
  return {plane_first("pos"), plane_first("neg"),
          torch::tensor(golden.number(group, "scale"), torch::kFloat64).to(torch::kFloat32)};
}

void expect_same(const BitPlanes& ours, const BitPlanes& golden, const std::string& where) {
  ASSERT_EQ(ours.bits(), golden.bits()) << where;
  EXPECT_TRUE(same_bits(ours.positive, golden.positive)) << where;
  EXPECT_TRUE(same_bits(ours.negative, golden.negative)) << where;
  EXPECT_EQ(ours.scale.item<float>(), golden.scale.item<float>()) << where;
}

TEST(AdjustGolden, EveryCaseIsExact) {
  const auto path = golden_path("adjust.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the golden folder is missing";
  }
  const GoldenFile golden(path);
  const auto cases = golden.members("/");
  ASSERT_FALSE(cases.empty());
  for (const auto& name : cases) {
    const auto max_bits = static_cast<int64_t>(golden.number(name, "max_bits"));
    const auto before = planes_in(golden, name + "/before");
    const auto requantized = requantize(before, max_bits);
    expect_same(requantized, planes_in(golden, name + "/requantized"), name + " re-quantized");
    expect_same(adjust_precision(requantized, golden.number(name, "threshold")),
                planes_in(golden, name + "/adjusted"), name + " adjusted");
  }
}

}  // namespace
}  // namespace bsq::test
