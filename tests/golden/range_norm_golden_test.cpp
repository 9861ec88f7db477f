#include <torch/utils.h>

#include <memory>

#include "bsq/methods/int8/range_norm.h"
#include "bsq/methods/int8/range_norm_ste.h"
#include "tests/bsq/methods/int8/given_noise.h"
#include "tests/golden/closeness.h"
#include "tests/golden/golden_file.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

/// A Range BN as a group of the golden file has it: in float64, with running numbers that start at 0.
class GoldenNorm {
 public:
  GoldenNorm(const GoldenFile& golden, const std::string& group)
      : golden_(golden), group_(group), norm_(options()) {
    torch::NoGradGuard no_grad;
    norm_.to(torch::kFloat64);
    for (auto& buffer : norm_.buffers()) {
      buffer.zero_();
    }
    norm_.named_parameters()["weight"].copy_(golden.tensor(group + "/weight"));
    norm_.named_parameters()["bias"].copy_(golden.tensor(group + "/bias"));
    EXPECT_EQ(golden.number(group, "stochastic"), 0) << "gradients are rounded to nearest";
    if (const auto bits = static_cast<int64_t>(golden.number(group, "grad_bits")); bits > 0) {
      norm_.set_gradient(std::make_shared<GivenNoise>(bits, /*is_for_weights=*/false));
    }
  }

  void check_batch(const std::string& batch) {
    SCOPED_TRACE(batch);
    norm_.zero_grad();
    const auto x = golden_.tensor(batch + "/input").set_requires_grad(true);
    const auto y = norm_.forward(x);
    expect_close(y, golden_.tensor(batch + "/output"), kValueTolerance, "output");
    y.backward(golden_.tensor(batch + "/grad_output"));
    expect_close(x.grad(), golden_.tensor(batch + "/grad_input"), kValueTolerance, "gradient of the input");
    const auto parameters = norm_.named_parameters();
    expect_close(parameters["weight"].grad(), golden_.tensor(batch + "/grad_weight"), kValueTolerance,
                 "gradient of gamma");
    expect_close(parameters["bias"].grad(), golden_.tensor(batch + "/grad_bias"), kValueTolerance,
                 "gradient of beta");
    const auto buffers = norm_.named_buffers();
    expect_close(buffers["running_mean"], golden_.tensor(batch + "/running_mean"), kValueTolerance,
                 "running mean");
    expect_close(buffers["running_sigma"], golden_.tensor(batch + "/running_scale"), kValueTolerance,
                 "running sigma");
    if (golden_.has(batch + "/running_range")) {
      expect_close(buffers["input.low"], golden_.tensor(batch + "/running_zero_point"), kValueTolerance,
                   "running low");
      expect_close(buffers["input.range"], golden_.tensor(batch + "/running_range"), kValueTolerance,
                   "running range");
    }
  }

  void check_evaluation() {
    norm_.eval();
    expect_close(norm_.forward(golden_.tensor(group_ + "/eval/input")),
                 golden_.tensor(group_ + "/eval/output"), kValueTolerance, "evaluation");
  }

 private:
  RangeNormOptions options() const {
    return RangeNormOptions(golden_.tensor(group_ + "/weight").numel())
        .input_bits(static_cast<int64_t>(golden_.number(group_, "input_bits")))
        .most_chunks(static_cast<int64_t>(golden_.number(group_, "num_chunks")))
        .eps(golden_.number(group_, "eps"))
        .momentum(1 - golden_.number(group_, "momentum"));
  }

  const GoldenFile& golden_;
  std::string group_;
  RangeNorm norm_;
};

TEST(RangeNormGolden, TrainingAndEvaluation) {
  const auto path = golden_methods_path("range_bn.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the folder of the methods' golden files is missing";
  }
  const GoldenFile golden(path);
  int64_t groups = 0;
  for (const auto& name : golden.members("/")) {
    if (name == "refused") {
      continue;
    }
    for (const auto& kind : golden.members(name)) {
      const auto group = name + "/" + kind;
      SCOPED_TRACE(group);
      ++groups;
      GoldenNorm norm(golden, group);
      for (int64_t i = 0; golden.has(group + "/batch" + std::to_string(i)); ++i) {
        norm.check_batch(group + "/batch" + std::to_string(i));
      }
      norm.check_evaluation();
    }
  }
  EXPECT_GT(groups, 0);
}

// Where the published code stops, ours takes fewer chunks; elsewhere it takes as many.
TEST(RangeNormGolden, ShapesThatThePublishedCodeRefuses) {
  const auto path = golden_methods_path("range_bn.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the folder of the methods' golden files is missing";
  }
  const GoldenFile golden(path);
  const auto rows = golden.tensor("refused/shape_chunks_fails").to(torch::kInt64);
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const auto row = rows[i];
    const auto number = [&](int64_t at) { return row[at].item<int64_t>(); };
    const int64_t values = number(0) * number(2) * number(3), chunks = number(4);
    if (number(5) == 0) {
      EXPECT_EQ(range_chunks(values, chunks), chunks) << row;
    } else if (values < 2) {
      EXPECT_THROW(range_chunks(values, chunks), std::invalid_argument) << row;
    } else {
      const int64_t ours = range_chunks(values, chunks);
      EXPECT_LT(ours, chunks) << row;
      EXPECT_EQ(values % ours, 0) << row;
      EXPECT_GE(values / ours, 2) << row;
    }
  }
}

}  // namespace
}  // namespace bsq::test
