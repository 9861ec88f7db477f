#include <gtest/gtest.h>

#include <string>

#include "bsq/base/error.h"
#include "bsq/infer/graph.h"
#include "bsq/infer/plan.h"

namespace bsq::infer {
namespace {

StoredModel small_model() {
  StoredModel model;
  model.path = "a.h5";
  model.classes = 2;
  model.codes["conv.weight"] = {{4, 3, 3, 3}, std::vector<int32_t>(108, 1), {0.5F}, {}, 1, 1};
  model.codes["inner.weight"] = {{4, 4, 1, 1}, std::vector<int32_t>(16, -3), {0.25F}, {}, 3, 2};
  model.arrays["fc.weight"] = {{2, 4}, std::vector<float>(8, 0.5F)};
  return model;
}

const std::string kInput = R"({"kind":"input","path":"input","shape":[3,8,8]})";
const std::string kConv = R"({"kind":"conv","path":"conv","kernel":3,"padding":1})";
const std::string kActivation =
    R"({"kind":"activation","path":"act","rule":{"low":0,"high":3,"divisor":0.2}})";
const std::string kInner = R"({"kind":"conv","path":"inner","kernel":1})";
const std::string kWide = R"({"kind":"pad_channels","path":"p","before":1000000,"after":0})";
const std::string kPool = R"({"kind":"global_average_pool","path":"pool"})";
const std::string kLinear = R"({"kind":"linear","path":"fc"})";

std::string program_of(const std::vector<std::string>& nodes) {
  std::string text = R"({"output":)" + std::to_string(nodes.size() - 1) + R"(,"nodes":[)";
  for (size_t i = 0; i < nodes.size(); ++i) {
    text += (i == 0 ? "" : ",") + nodes[i];
  }
  return text + "]}";
}

Plan plan_of(const std::string& program, const StoredModel& model = small_model()) {
  return make_plan(parse_graph(program, "a.h5: program"), model);
}

std::string refusal(const std::string& program, const StoredModel& model = small_model()) {
  try {
    plan_of(program, model);
  } catch (const Error& error) {
    return error.what();
  }
  return "taken";
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Program, BecomesIntegersWhereItCan) {
  const auto plan = plan_of(program_of({kInput, kConv, kActivation, kInner, kPool, kLinear}));
  ASSERT_EQ(plan.steps.size(), 4U);
  EXPECT_FALSE(plan.steps[0].is_integer);  // reads the image
  EXPECT_TRUE(plan.steps[1].is_integer);
  EXPECT_TRUE(plan.values[1].is_codes);
  EXPECT_EQ(plan.values[1].high, 15);
  EXPECT_FLOAT_EQ(plan.steps[1].gain[0], 0.25F / 3 * 0.2F);
}

TEST(Program, ActivationsThatMayBeBelowZeroAreNoCodes) {
  const std::string open = R"({"kind":"activation","path":"act","rule":{"high":3,"divisor":0.2}})";
  const std::string relu = R"({"kind":"relu","path":"relu"})";
  EXPECT_FALSE(plan_of(program_of({kInput, kConv, open, kInner, kPool, kLinear})).values[1].is_codes);
  EXPECT_TRUE(plan_of(program_of({kInput, kConv, relu, open, kInner, kPool, kLinear})).values[1].is_codes);
}

TEST(Program, WhatIsNoneIsRefused) {
  const struct {
    std::string program, reason;
  } cases[] = {
      {"", "is no JSON"},
      {"[]", "is no JSON object"},
      {R"({"output":0,"nodes":[]})", "nodes is no array"},
      {R"({"output":1,"nodes":[)" + kInput + "]}", "output is no integer"},
      {program_of({kConv, kPool, kLinear}), "to be the input"},
      {program_of({kInput, kInput}), "to be the input"},
      {program_of({R"({"kind":"input","path":"i","shape":[3,8]})"}), "three integers"},
      {program_of({R"({"kind":"input","path":"i","shape":[3,8,1e9]})"}), "three integers"},
      {program_of({kInput, R"({"kind":"magic","path":"m"})"}), "unknown kind 'magic'"},
      {program_of({kInput, R"({"kind":"add","path":"a"})"}), "has no inputs"},
      {program_of({kInput, R"({"kind":"add","path":"a","inputs":[0,1]})"}), "not before it"},
      {program_of({kInput, R"({"kind":"add","path":"a","inputs":[0]})"}), "another count of inputs"},
      {program_of({kInput, R"({"kind":"conv","path":"conv","kernel":0})"}), "kernel is no integer"},
      {program_of({kInput, R"({"kind":"conv","path":"conv","kernel":3,"padding":3})"}),
       "less than its kernel"},
      {program_of({kInput, R"({"kind":"conv","path":"conv","kernel":5})"}), "another shape"},
      {program_of({kInput, R"({"kind":"conv","path":"gone","kernel":3})"}), "has no tensor gone.weight"},
      {program_of({kInput, R"({"kind":"max_pool","path":"p","kernel":9})"}), "a window of 9 on 8 pixels"},
      {program_of({kInput, R"({"kind":"max_pool","path":"p","kernel":2,"padding":2})"}), "half its window"},
      {program_of({kInput, R"({"kind":"norm","path":"n","norm":"other"})"}), "another kind than batch norm"},
      {program_of({kInput, R"({"kind":"activation","path":"r","bits":4})"}), "without a stored range"},
      {program_of({kInput, R"({"kind":"activation","path":"r","rule":{"divisor":-1}})"}), "a divisor"},
      {program_of({kInput, R"({"kind":"activation","path":"r","rule":{"high":1e40}})"}), "within 1e30"},
      {program_of({kInput, kWide, kWide, kWide}), "2^27"},
      {program_of({kInput, kConv, kLinear}), "expected features"},
      {program_of({kInput, kPool}), "expected 2 logits"},
  };
  for (const auto& [program, reason] : cases) {
    EXPECT_TRUE(holds(refusal(program), reason)) << program << "\n" << refusal(program);
  }
  EXPECT_EQ(refusal(program_of({kInput, kConv, kActivation, kInner, kPool, kLinear})), "taken");
}

TEST(Program, SumsThatOverflowAreComputedInFloat) {
  auto model = small_model();
  model.codes["inner.weight"].integers.assign(16, 32767);
  const std::string wide = R"({"kind":"activation","path":"act","rule":{"low":0,"high":255,"divisor":1}})";
  const auto program = program_of({kInput, kConv, wide, kInner, kPool, kLinear});
  EXPECT_TRUE(plan_of(program, model).steps[1].is_integer);
  model.codes["inner.weight"].integers[0] = 32768;
  EXPECT_FALSE(plan_of(program, model).steps[1].is_integer);
}

}  // namespace
}  // namespace bsq::infer
