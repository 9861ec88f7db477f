#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/utils.h>

#include <memory>

#include "bsq/graph/graph_network.h"
#include "bsq/io/onnx/integer_form.h"
#include "bsq/io/onnx/onnx_export.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/fixed_bits.h"
#include "models/registry.h"
#include "tests/bsq/graph/random_flow.h"
#include "tests/tools/onnx/onnx_jobs.h"

namespace bsq::test {
namespace {

using Form = OnnxExportOptions::Form;

torch::Tensor some_images(int64_t count) { return torch::randn({count, 3, 32, 32}); }

// Norms of every kind of channel: a gain below 0, and one of 0.
void draw_norms(Network& network) {
  torch::NoGradGuard no_grad;
  for (const auto& module : network.modules(/*include_self=*/false)) {
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) {
      norm->weight.uniform_(0.5, 1.5);
      norm->weight[0].neg_();
      norm->weight[1].zero_();
      norm->bias.normal_(0, 0.3);
    }
  }
}

// A network whose statistics and ranges a few batches have set, in evaluation.
std::shared_ptr<Network> settled(std::shared_ptr<Network> network) {
  torch::NoGradGuard no_grad;
  draw_norms(*network);
  network->train();
  for (int i = 0; i < 3; ++i) {
    network->forward(some_images(16));
  }
  network->eval();
  return network;
}

std::shared_ptr<Network> network_of(const Flow& flow, const NetworkDescription& description, int64_t bits) {
  auto network = settled(std::make_shared<GraphNetwork>(description, flow));
  if (bits > 0) {
    to_fixed_bits(*network, LayerRules(bits));
  }
  return network;
}

std::string exported(Network& network, Form form = Form::kQcdq, int64_t opset = 17) {
  OnnxExportOptions options;
  options.form = form;
  options.opset = opset;
  return export_onnx(network, options);
}

// Every node that a program can have.
Value every_node(Builder& b, Value image) {
  const auto stem = b.relu(b.norm("stem_norm", b.conv("stem", image, 8, /*kernel=*/3)));
  const auto biased = b.norm("a_norm", b.conv("a", stem, ConvOptions(8, 3).bias(true)));
  const auto a = b.activation("a_act", biased);
  const auto depthwise = b.norm("b_norm", b.conv("b", a, ConvOptions(8, 3).groups(8)));
  const auto sum = b.activation("sum_act", b.add(depthwise, a));
  const auto joined = b.relu(b.norm("joined_norm", b.concat({stem, sum})));  // has no convolution to go into
  const auto pooled = b.add(b.max_pool(joined, {3, 2, 1}), b.average_pool(joined, {3, 2, 1}));
  const auto c = b.activation("c_act", b.norm("c_norm", b.conv("c", pooled, 12, /*kernel=*/3, /*stride=*/2)));
  const auto padded = b.conv("d", b.pad_channels(c, 2, 3), 4, /*kernel=*/1);
  const auto flat = b.dropout("dropout", b.flatten(padded), 0.1);
  const auto both = b.concat({b.linear("hidden", flat, 16), b.global_average_pool(c)});
  return b.linear("fc", both, b.description().classes);
}

class OnnxNetwork : public testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(20);
    register_methods();
  }
  // Exports a network under a name, to be compared with what it gives itself.
  void add(const std::string& name, const std::shared_ptr<Network>& network, int64_t opset = 17) {
    networks_[name] = network;
    jobs_.add(name, exported(*network, Form::kQcdq, opset));
  }
  void add_qonnx(const std::string& name, const std::shared_ptr<Network>& network) {
    networks_[name + "-qonnx"] = network;
    jobs_.add(name + "-qonnx", exported(*network, Form::kQonnx));
  }
  void expect_same(int64_t count) {
    if (!has_onnx_python()) {
      GTEST_SKIP() << "no Python with onnx, onnxruntime and qonnx at '" BSQ_PYTHON "'";
    }
    torch::NoGradGuard no_grad;
    const auto images = some_images(count);
    const auto results = jobs_.run(images);
    for (const auto& [name, network] : networks_) {
      ASSERT_EQ(results.count(name), 1U) << name;
      const auto difference = disagreement(network->forward(images), results.at(name).logits);
      EXPECT_LT(difference.median, 1e-5) << name << ": " << difference.text();
      EXPECT_LT(difference.largest, 0.05) << name << ": " << difference.text();
    }
  }
  OnnxJobs jobs_;
  std::map<std::string, std::shared_ptr<Network>> networks_;
};

NetworkDescription with_activation(const std::string& kind, int64_t bits) {
  NetworkDescription description;
  description.activation = kind;
  description.activation_bits = bits;
  return description;
}

TEST_F(OnnxNetwork, EveryKindOfNodeGivesTheSame) {
  const auto network = network_of(every_node, {}, /*bits=*/5);
  add("every", network);
  add_qonnx("every", network);
  add("int4", network_of(every_node, {}, /*bits=*/3), /*opset=*/21);
  add("int2", network_of(every_node, {}, /*bits=*/1), /*opset=*/25);
  add("int16", network_of(every_node, {}, /*bits=*/8), /*opset=*/21);
  add("float", network_of(every_node, with_activation("uniform", 0), /*bits=*/0), /*opset=*/13);
  add("float-weights", network_of(every_node, with_activation("uniform", 4), /*bits=*/0));
  NetworkDescription example;  // examples/own_network
  example.architecture = "small_net";
  const auto small = settled(make_network(example));
  to_fixed_bits(*small, LayerRules(6));
  add("small_net", small);
  for (uint64_t seed = 0; seed < 4; ++seed) {
    add("random" + std::to_string(seed), network_of(random_flow(seed), {}, /*bits=*/4));
  }
  expect_same(8);
}

TEST_F(OnnxNetwork, EveryKindOfActivationGivesTheSame) {
  for (const auto& [kind, bits] : std::vector<std::pair<std::string, int64_t>>{{"uniform", 2},
                                                                               {"uniform", 8},
                                                                               {"uniform", 12},
                                                                               {"uniform", 32},
                                                                               {"lsq", 3},
                                                                               {"dorefa", 4},
                                                                               {"duq", 4},
                                                                               {"hysteresis-fixed", 4},
                                                                               {"hysteresis-pact", 4},
                                                                               {"pact", 4}}) {
    auto description = with_activation(kind, bits);
    if (kind == "pact") {
      description.activation_place = ActivationPlace::kInput;
    }
    const auto flow = kind == "pact" ? Flow([](Builder& b, Value image) {
      const auto x = b.relu(b.norm("n1", b.conv("c1", image, 8, 3)));
      return b.linear("fc", b.global_average_pool(b.relu(b.norm("n2", b.conv("c2", x, 8, 3)))), 10);
    })
                                     : Flow(every_node);
    const auto network = network_of(flow, description, /*bits=*/4);
    add(kind + std::to_string(bits), network, bits > 8 ? 21 : 17);
    add_qonnx(kind + std::to_string(bits), network);
  }
  expect_same(4);
}

// DuQ in front of layers that read both signs, as behind the linear bottlenecks of MobileNet-v2.
std::shared_ptr<Network> bottleneck_of(int64_t bits) {
  auto description = with_activation("duq", bits);
  description.activation_place = ActivationPlace::kInput;
  return network_of(
      [](Builder& b, Value image) {
        const auto x = b.norm("n", b.conv("c", image, 8, 3));
        return b.linear("fc", b.global_average_pool(b.conv("d", x, 8, 3)), 10);
      },
      description, /*bits=*/4);
}

TEST_F(OnnxNetwork, AGridOfBothSignsGivesTheSame) {
  for (const int64_t bits : {4, 8}) {
    const auto network = bottleneck_of(bits);
    add("duq" + std::to_string(bits), network);
    add_qonnx("duq" + std::to_string(bits), network);
  }
  expect_same(2);
}

// What is said of a network that cannot be exported.
std::string refusal(Network& network, Form form = Form::kQcdq) {
  try {
    exported(network, form);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST_F(OnnxNetwork, WhatDoesNotFitIsRefusedByName) {
  const auto eight = network_of(every_node, {}, /*bits=*/8);
  EXPECT_EQ(refusal(*eight).rfind("stem.weight: integers from ", 0), 0U) << refusal(*eight);
  EXPECT_NE(refusal(*eight).find("--max-bits 7"), std::string::npos) << refusal(*eight);
  EXPECT_EQ(refusal(*eight, Form::kQonnx), "");

  const auto unset = std::make_shared<GraphNetwork>(NetworkDescription(), every_node);
  EXPECT_EQ(refusal(*unset).rfind("a_act: what it computes depends on the batch", 0), 0U) << refusal(*unset);

  NetworkDescription batch;
  batch.activation_range = ActivationRange::kBatch;
  const auto of_batch = network_of(every_node, batch, /*bits=*/4);
  EXPECT_EQ(refusal(*of_batch).rfind("a_act: what it computes depends on the batch", 0), 0U);

  const auto affine = network_of(every_node, with_activation("int8", 8), /*bits=*/4);
  EXPECT_EQ(refusal(*affine).rfind("a_act: this kind of activation has no grid", 0), 0U) << refusal(*affine);

  OnnxExportOptions options;
  options.opset = 12;
  EXPECT_THROW(export_onnx(*affine, options), std::invalid_argument);
}

TEST_F(OnnxNetwork, TheIntegerFormTakesAGridOfBothSigns) {
  if (!has_onnx_python()) {
    GTEST_SKIP() << "no Python with onnx, onnxruntime and qonnx at '" BSQ_PYTHON "'";
  }
  torch::NoGradGuard no_grad;
  const auto network = bottleneck_of(4);
  const auto images = some_images(16);
  OnnxExportOptions options;
  options.is_integer = true;
  options.grids = grids_of_8_bits(*network, {images});
  jobs_.add("int8", export_onnx(*network, options));
  const auto result = jobs_.run(images).at("int8");
  const auto difference = disagreement(network->forward(images), result.logits);
  EXPECT_LT(difference.median, 0.05) << difference.text();
}

TEST_F(OnnxNetwork, TheIntegerFormMakesEveryConvolutionOfFewBitsAQLinearConv) {
  if (!has_onnx_python()) {
    GTEST_SKIP() << "no Python with onnx, onnxruntime and qonnx at '" BSQ_PYTHON "'";
  }
  torch::NoGradGuard no_grad;
  const auto network = network_of(every_node, {}, /*bits=*/4);
  const auto images = some_images(16);
  OnnxExportOptions options;
  options.is_integer = true;
  options.grids = grids_of_8_bits(*network, {images});
  jobs_.add("int8", export_onnx(*network, options));
  const auto result = jobs_.run(images).at("int8");
  EXPECT_EQ(result.kinds.value("QLinearConv", 0), 5) << result.kinds;
  EXPECT_EQ(result.kinds.value("Conv", 0) + result.kinds.value("FusedConv", 0), 0) << result.kinds;
  const auto difference = disagreement(network->forward(images), result.logits);
  EXPECT_LT(difference.median, 0.2) << difference.text();
}

}  // namespace
}  // namespace bsq::test
