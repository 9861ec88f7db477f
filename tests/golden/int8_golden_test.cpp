#include <torch/utils.h>

#include <map>
#include <memory>

#include "bsq/methods/int8/affine.h"
#include "bsq/methods/int8/int8_activation.h"
#include "bsq/methods/int8/int8_quantizer.h"
#include "bsq/nn/master_weight.h"
#include "bsq/nn/quant_conv2d.h"
#include "bsq/nn/quant_linear.h"
#include "bsq/quant/activation_quantizer.h"
#include "tests/bsq/methods/int8/given_noise.h"
#include "tests/golden/closeness.h"
#include "tests/golden/golden_file.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

/// A group of the golden file, with its numbers and tensors.
struct Group {
  const GoldenFile& golden;
  std::string path;

  torch::Tensor operator[](const std::string& name) const { return golden.tensor(path + "/" + name); }
  bool has(const std::string& name) const { return golden.has(path + "/" + name); }
  int64_t integer(const std::string& name) const { return static_cast<int64_t>(golden.number(path, name)); }
  bool is(const std::string& name) const { return integer(name) != 0; }
  Group below(const std::string& name) const { return {golden, path + "/" + name}; }
};

/// Runs a check for every member of a group; a file without the group is a failure.
template <typename Check>
void for_members(const GoldenFile& golden, const std::string& group, Check check) {
  const auto members = golden.members(group);
  EXPECT_FALSE(members.empty()) << group;
  for (const auto& name : members) {
    SCOPED_TRACE(group + "/" + name);
    check(Group{golden, group + "/" + name});
  }
}

AffineRange range_of(const torch::Tensor& x, const std::string& axes) {
  static const std::map<std::string, AffineRange (*)(const torch::Tensor&)> kRanges = {
      {"per_tensor", range_of_tensor},
      {"mean_over_samples", range_of_samples},
      {"per_first_axis", range_of_channels}};
  return kRanges.at(axes)(x);
}

// Ours have no sign: the published signed integers are smaller by 2^(n-1), their values the same.
void check_quantization(const Group& group) {
  const int64_t bits = group.integer("bits");
  const auto x = group["input"];
  const auto range = range_of(x, group.golden.text(group.path, "axes"));
  expect_close(range.low, group["zero_point"], kValueTolerance, "low");
  expect_close(range.range, group["range"], kValueTolerance, "range");
  const auto first = group.is("signed") ? -(int64_t{1} << (bits - 1)) : 0;
  const auto codes = affine_codes(x, range, bits);
  EXPECT_TRUE(
      torch::equal(codes.integers.to(torch::kFloat64).add(static_cast<double>(first)), group["codes"]));
  expect_close(value_of(codes), group["output"], kValueTolerance, "codes");
  expect_close(affine_quantize(x, range, bits), group["output"], kValueTolerance, "output");
  expect_close(affine_quantize(x, range, bits, group["noise"]), group["output_stochastic"], kValueTolerance,
               "stochastic");
}

void check_straight_through(const Group& group) {
  const auto x = group["input"].set_requires_grad(true);
  affine_quantize_ste(x, range_of_samples(x), /*bits=*/3).backward(group["grad_output"]);
  EXPECT_TRUE(torch::equal(x.grad(), group["grad_input"]));
}

TEST(Int8Golden, Quantization) {
  const auto path = golden_methods_path("int8.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the folder of the methods' golden files is missing";
  }
  const GoldenFile golden(path);
  for_members(golden, "quantize", [](const Group& group) {
    group.has("codes") ? check_quantization(group) : check_straight_through(group);
  });
  for_members(golden, "quantize_gradient", [](const Group& group) {
    GivenNoise::Noise noise;
    if (group.is("stochastic")) {
      noise = [&](const torch::Tensor&) { return group["noise"]; };
    }
    const GivenNoise quantizer(group.integer("bits"), /*is_for_weights=*/false, noise);
    expect_close(quantizer.quantize(group["grad_output"]), group["grad_input"], kValueTolerance, "gradient");
  });
}

// As published: in float64, the running range starts at 0; momentum is the share of the old value.
ActivationQuantizer published_activation(int64_t bits, double momentum) {
  ActivationQuantizer activation(std::make_unique<Int8Activation>(bits, 1 - momentum));
  activation->to(torch::kFloat64);
  for (auto& buffer : activation->buffers()) {
    buffer.zero_();
  }
  return activation;
}

void expect_range(const ActivationQuantizer& activation, const Group& group) {
  const auto buffers = activation->named_buffers();
  expect_close(buffers["low"], group["running_zero_point"], kValueTolerance, "running low");
  expect_close(buffers["range"], group["running_range"], kValueTolerance, "running range");
}

// The groups batch0, batch1, ... of a group, in order.
std::vector<Group> batches_of(const Group& group) {
  std::vector<Group> batches;
  for (int64_t i = 0; group.has("batch" + std::to_string(i)); ++i) {
    batches.push_back(group.below("batch" + std::to_string(i)));
  }
  EXPECT_FALSE(batches.empty()) << group.path;
  return batches;
}

void check_tracking(const Group& group) {
  auto activation = published_activation(group.integer("bits"), group.golden.number(group.path, "momentum"));
  for (const auto& batch : batches_of(group)) {
    expect_close(activation->forward(batch["input"]), batch["output"], kValueTolerance, batch.path);
    expect_range(activation, batch);
  }
  activation->eval();
  expect_close(activation->forward(group["eval_input"]), group["eval_output"], kValueTolerance, "evaluation");
}

// The measuring mode is our calibration. It passes inputs on as they are, and ours quantizes them.
void check_measuring(const Group& group) {
  auto activation = published_activation(group.integer("bits"), /*momentum=*/0.1);
  activation->eval();
  activation->activation().begin_calibration();
  for (const auto& batch : batches_of(group)) {
    activation->forward(batch["input"]);
    expect_range(activation, batch);
  }
  activation->activation().end_calibration();
  expect_close(activation->forward(group["eval_input"]), group["eval_output"], kValueTolerance, "evaluation");
}

TEST(Int8Golden, RunningRange) {
  const auto path = golden_methods_path("int8.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the folder of the methods' golden files is missing";
  }
  const GoldenFile golden(path);
  for_members(golden, "running_range", [&](const Group& group) {
    golden.has_attribute(group.path, "momentum") ? check_tracking(group) : check_measuring(group);
  });
}

std::unique_ptr<MasterWeight> master(const torch::Tensor& tensor, int64_t bits) {
  return std::make_unique<MasterWeight>(tensor, std::make_unique<Int8Quantizer>(bits));
}

template <typename Layer>
void check_layer(const Group& group, Layer& layer) {
  layer->to(torch::kFloat64);
  layer->set_weight(master(group["weight"], group.integer("weight_bits")));
  if (group.has("bias")) {
    layer->set_bias(master(group["bias"], group.integer("bias_bits")));
  }
  auto activation = published_activation(group.integer("input_bits"), /*momentum=*/0.1);
  for (const auto& batch : batches_of(group)) {
    GivenNoise::Noise noise;
    if (group.is("stochastic")) {
      noise = [&](const torch::Tensor&) { return batch["noise"]; };
    }
    if (const int64_t bits = group.integer("grad_bits"); bits > 0) {
      layer->set_gradient(std::make_shared<GivenNoise>(bits, !group.is("bifurcation"), noise));
    }
    layer->zero_grad();
    const auto x = batch["input"].set_requires_grad(true);
    const auto y = layer->forward(activation->forward(x));
    expect_close(y, batch["output"], kValueTolerance, batch.path + " output");
    expect_range(activation, batch);
    y.backward(batch["grad_output"]);
    const auto parameters = layer->named_parameters();
    expect_close(x.grad(), batch["grad_input"], kValueTolerance, batch.path + " gradient of the input");
    expect_close(parameters["weight"].grad(), batch["grad_weight"], kValueTolerance,
                 batch.path + " gradient of the weight");
    if (batch.has("grad_bias")) {
      expect_close(parameters["bias"].grad(), batch["grad_bias"], kValueTolerance,
                   batch.path + " gradient of the bias");
    }
  }
  activation->eval();
  expect_close(layer->forward(activation->forward(group["eval_input"])), group["eval_output"],
               kValueTolerance, "evaluation");
}

void check_any_layer(const Group& group) {
  const auto weight = group["weight"];
  if (group.golden.text(group.path, "kind") == "linear") {
    QuantLinear layer(weight.size(1), weight.size(0));
    check_layer(group, layer);
    return;
  }
  const int64_t groups = group.integer("groups");
  QuantConv2d layer(
      QuantConv2dOptions(weight.size(1) * groups, weight.size(0), {weight.size(2), weight.size(3)})
          .stride(group.integer("stride"))
          .padding(group.integer("padding"))
          .bias(group.has("bias"))
          .groups(groups));
  check_layer(group, layer);
}

TEST(Int8Golden, LayersAndGradientBifurcation) {
  const auto path = golden_methods_path("int8.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the folder of the methods' golden files is missing";
  }
  const GoldenFile golden(path);
  for_members(golden, "layers", check_any_layer);
}

}  // namespace
}  // namespace bsq::test
