#include "bsq/kernels/norm_act_loops.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace bsq::norm_act {
namespace {

constexpr int64_t kRow = 64;
constexpr int64_t kCount = 5 * kRow + 37;  // whole rows and a rest

std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> values(static_cast<size_t>(count));
  for (auto& value : values) {
    value = normal(generator);
  }
  return values;
}

/// What every loop of a table makes of the same numbers, one after the other.
std::vector<float> results_of(const LoopsOf<float>& loops) {
  const auto x = random_floats(kCount, 1), residual = random_floats(kCount, 2),
             gradient = random_floats(kCount, 3);
  const auto slope = random_floats(kRow, 4), shift = random_floats(kRow, 5), mean = random_floats(kRow, 6);
  std::vector<float> all;
  std::vector<float> out(kCount);
  const Span<float> span{x.data(), residual.data(), gradient.data(), out.data(), kCount, kRow};
  Span<float> alone = span;
  alone.residual = nullptr;
  const Affine affine{slope.data(), shift.data(), 0, 2};
  const auto keep = [&](const std::vector<float>& values) {
    all.insert(all.end(), values.begin(), values.end());
  };
  std::vector<float> a(kRow), b(kRow), c(kRow), d(kRow);
  loops.gather(span, {mean.data(), a.data(), b.data(), c.data(), d.data()});
  loops.find_largest(span, {affine, a.data()});
  loops.find_largest(alone, {affine, b.data()});
  for (const auto* values : {&a, &b, &c, &d}) {
    keep(*values);
  }
  for (const float per_step : {-1.0F, 7.5F}) {
    loops.activate(alone, {affine, 2, per_step, 1 / 7.5F});
    keep(out);
    loops.activate_sum(span, {affine, 2, per_step, 1 / 7.5F});
    keep(out);
  }
  loops.open_sums(alone, {affine, mean.data(), a.data(), b.data(), c.data()});
  loops.closed_sums(span, {affine, mean.data(), a.data(), b.data(), c.data()});
  keep(out);
  for (Span<float> both : {alone, span}) {
    both.second_gradient = residual.data();
    loops.open_sums(both, {affine, mean.data(), a.data(), b.data(), c.data()});
    keep(out);
  }
  for (const auto* values : {&a, &b, &c}) {
    keep(*values);
  }
  const InputGradient numbers{affine, mean.data(), slope.data(), shift.data(), mean.data()};
  for (const auto loop : {loops.passed_gradient, loops.open_gradient, loops.closed_gradient}) {
    loop(alone, numbers);
    keep(out);
  }
  return all;
}

void expect_agreement(const Loops& table) {
  const auto expected = results_of(kPortableLoops.of_float);
  const auto found = results_of(table.of_float);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 1e-4 * (1 + std::abs(expected[i]))) << i;
  }
}

#ifdef BSQ_X86_VARIANTS
TEST(NormActLoops, Avx2AgreesWithThePortablePath) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    GTEST_SKIP() << "this CPU has no AVX2";
  }
  expect_agreement(kAvx2Loops);
}

TEST(NormActLoops, Avx512AgreesWithThePortablePath) {
  if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl")) {
    GTEST_SKIP() << "this CPU has no AVX-512";
  }
  expect_agreement(kAvx512Loops);
}
#endif

TEST(NormActLoops, TheChosenOnesAgreeWithThePortablePath) { expect_agreement(loops()); }

/// The tables that this CPU can run.
std::vector<const Loops*> runnable_tables() {
  std::vector<const Loops*> tables = {&kPortableLoops, &loops()};
#ifdef BSQ_X86_VARIANTS
  if (&loops() == &kAvx512Bf16Loops) {
    tables.push_back(&kAvx512Loops);
  }
  if (&loops() != &kPortableLoops) {
    tables.push_back(&kAvx2Loops);
  }
#endif
  return tables;
}

TEST(NormActLoops, BfloatsRoundHalfToEven) {
  // 1 + 2^-8 lies between two bfloat16; the even one is 1. 1 + 3 2^-8 goes up to 1 + 2^-6.
  const std::vector<Brain> x(kRow + 1, Brain{0x3f80});
  std::vector<Brain> out(kRow + 1);
  const std::vector<float> slope(kRow, 1);
  for (const auto& [shift, expected] : {std::pair<float, uint16_t>{0x1p-8F, 0x3f80}, {3 * 0x1p-8F, 0x3f82}}) {
    const std::vector<float> shifts(kRow, shift);
    const Span<Brain> span{x.data(), nullptr, nullptr, out.data(), kRow + 1, kRow};
    for (const auto* table : runnable_tables()) {
      out.assign(out.size(), Brain{});
      table->of_brain.activate(span, {{slope.data(), shifts.data(), 0, 6}, 6, -1, 0});
      EXPECT_EQ(out.front().bits, expected);
      EXPECT_EQ(out.back().bits, expected);
    }
  }
}

}  // namespace
}  // namespace bsq::norm_act
