#include "bsq/infer/engine.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "bsq/base/error.h"
#include "bsq/graph/graph_network.h"
#include "bsq/infer/latency.h"
#include "bsq/infer/reference.h"
#include "models/registry.h"
#include "tests/bsq/infer/networks.h"
#include "tests/support.h"

#ifdef BSQ_HAS_EMULATED_VNNI
namespace bsq::infer {
extern const Kernels kEmulatedVnniKernels;
}
#endif

namespace bsq::test {
namespace {

// What no architecture of the toolkit has together: padded pools, a dropout, features from pixels.
class Pools : public Architecture {
 public:
  Value build(Builder& b, Value image) const override {
    auto x = b.activation("relu1", b.norm("bn1", b.conv("conv1", image, 10, /*kernel=*/5, /*stride=*/2)));
    x = b.max_pool(x, {/*kernel=*/3, /*stride=*/2, /*padding=*/1});
    x = b.activation("relu2", b.norm("bn2", b.conv("conv2", x, ConvOptions(20, 3).groups(2))));
    x = b.dropout("drop", b.average_pool(b.concat({x, x}), {/*kernel=*/2, /*stride=*/1, /*padding=*/1}), 0.5);
    return b.linear("fc", b.flatten(x), b.description().classes);
  }
};
const ArchitectureRegistration<Pools> kPools("pools_for_tests", "Pools.", "this file");

// One value is read by a padded layer and by a pool, and both pools by a sum.
class TwoPools : public Architecture {
 public:
  Value build(Builder& b, Value image) const override {
    const auto x =
        b.activation("relu1", b.norm("bn1", b.conv("conv1", image, 12, /*kernel=*/3, /*stride=*/2)));
    const auto first = b.global_average_pool(x);
    const auto y = b.activation("relu2", b.norm("bn2", b.conv("conv2", x, ConvOptions(12, 3).padding(1))));
    return b.linear("fc", b.add(first, b.global_average_pool(y)), b.description().classes);
  }
};
const ArchitectureRegistration<TwoPools> kTwoPools("two_pools_for_tests", "Two pools.", "this file");

const std::vector<NetworkCase>& cases() {
  static const std::vector<NetworkCase> cases = {
      {"4 bits", "resnet", {{"depth", "8"}}, "frozen", 4, 4},
      {"8 bits, PACT", "resnet", {{"depth", "8"}}, "frozen", 8, 3},
      {"sawb", "resnet", {{"depth", "8"}, {"shortcut", "A"}}, "sawb", 4, 4},
      {"dorefa", "preresnet", {{"depth", "8"}}, "dorefa", 2, 2},
      {"lsq", "mobilenet_v1", {{"multiplier", "0.1"}}, "lsq", 4, 4},
      {"8-bit activations", "mobilenet_v2", {{"width", "0.1"}}, "lsq", 3, 8},
      {"concatenation", "densenet", {{"depth", "10"}}, "lsq", 4, 4},
      {"groups", "resnext", {{"depth", "11"}, {"cardinality", "2"}, {"base-width", "4"}}, "frozen", 3, 4},
      {"profit", "resnet", {{"depth", "8"}}, "profit", 4, 4},
      {"hysteresis", "resnet", {{"depth", "8"}}, "hysteresis", 1, 2},
      {"float activations", "resnet", {{"depth", "8"}}, "frozen", 4, 0},
      {"pools", "pools_for_tests", {}, "lsq", 4, 4},
      {"two pools", "two_pools_for_tests", {}, "lsq", 4, 4},
  };
  return cases;
}

torch::Tensor run(const infer::Engine& engine, const torch::Tensor& images, int threads = 1) {
  auto logits = torch::empty({images.size(0), engine.classes()});
  engine.run(images.contiguous().data_ptr<float>(), images.size(0), logits.data_ptr<float>(), threads);
  return logits;
}

// Those of this CPU, the portable ones, and the emulated ones, which run on any CPU that has AVX2.
std::vector<const infer::Kernels*> all_kernels() {
  std::vector<const infer::Kernels*> all = {&infer::best_kernels(), &infer::kPortableKernels};
#ifdef BSQ_INFER_X86
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    all.push_back(&infer::kAvx2Kernels);
#ifdef BSQ_HAS_EMULATED_VNNI
    all.push_back(&infer::kEmulatedVnniKernels);
#endif
  }
#endif
  return all;
}

torch::Tensor run_reference(const infer::Plan& plan, const torch::Tensor& image) {
  const auto flat = image.contiguous();
  const auto* first = flat.data_ptr<float>();
  return torch::tensor(infer::run_reference(plan, {first, first + flat.numel()})).unsqueeze(0);
}

class Engines : public testing::Test {
 protected:
  std::string write(const NetworkCase& wanted) {
    network_ = random_network(wanted);
    write_model(folder_.file("a.h5"), *network_);
    return folder_.file("a.h5");
  }

  TemporaryFolder folder_;
  std::shared_ptr<Network> network_;
};

TEST_F(Engines, AgreeWithTheTrainerAndTheReference) {
  torch::set_num_threads(1);
  torch::NoGradGuard no_grad;
  for (const auto& wanted : cases()) {
    SCOPED_TRACE(wanted.name);
    const auto path = write(wanted);
    const infer::Engine fast(path);
    const auto images = random_images(16);
    const auto ours = run(fast, images), theirs = network_->forward(images);
    // A number at the border of two codes may turn.
    EXPECT_LE((ours - theirs).abs().mean().item<double>(), 0.01 * theirs.std().item<double>());
    EXPECT_GE((ours - theirs).abs().amax(1).le(1e-5).sum().item<int64_t>(), 12);
    for (const auto* kernels : all_kernels()) {
      const infer::Engine engine(infer::read_model(path), "", *kernels);
      EXPECT_TRUE(same_bits(run(engine, images.slice(0, 0, 1)), ours.slice(0, 0, 1))) << kernels->name;
    }
    EXPECT_TRUE(same_bits(run_reference(fast.plan(), images[0]), ours.slice(0, 0, 1)));
    EXPECT_TRUE(same_bits(run(fast, images.slice(0, 0, 5), /*threads=*/3), ours.slice(0, 0, 5)));
    EXPECT_TRUE(same_bits(run(fast, images.slice(0, 0, 1), /*threads=*/3), ours.slice(0, 0, 1)));
  }
}

// Conv1 reads the image, layer1.0.conv1 a ReLU that is not quantized; shortcuts and their like stay float.
TEST_F(Engines, ComputeInIntegersWhatIsIntegers) {
  const infer::Engine engine(write(cases()[0]));
  std::map<std::string, bool> is_integer;
  for (const auto& step : engine.plan().steps) {
    if (step.kind == infer::StepKind::kLayer) {
      is_integer[step.path] = step.is_integer;
    }
  }
  EXPECT_FALSE(is_integer.at("conv1"));
  EXPECT_FALSE(is_integer.at("layer1.0.conv1"));
  for (const std::string layer : {"layer1.0.conv2", "layer2.0.conv1", "layer2.0.conv2", "layer3.0.conv2"}) {
    EXPECT_TRUE(is_integer.at(layer)) << layer;
  }
}

// An image of 24 channels becomes codes from 0 to `high`, which one layer with these codes reads.
infer::Plan plan_of(int32_t high, int64_t side, const infer::Step& layer, const infer::Value& output) {
  infer::Plan plan;
  plan.values.resize(3);
  plan.values[0] = {24, side, side};
  plan.values[1] = {24,   side, side, /*is_features=*/false, /*is_codes=*/true, /*is_positive=*/true,
                    1.0F, high};
  plan.values[2] = output;
  infer::Step quantize;
  quantize.inputs = {0};
  quantize.output = 1;
  quantize.gain.assign(24, 1.0F);
  quantize.shift.assign(24, 0.0F);
  quantize.finish = {0, static_cast<float>(high), true, 1, 1, 0};
  plan.steps = {quantize, layer};
  plan.output = 2;
  return plan;
}

infer::Step integer_layer(int64_t outputs, std::vector<int16_t> codes, int64_t groups = 1) {
  infer::Step layer;
  layer.kind = infer::StepKind::kLayer;
  layer.path = "layer";
  layer.inputs = {1};
  layer.output = 2;
  layer.kernel = 3;
  layer.groups = groups;
  layer.is_integer = true;
  layer.codes = std::move(codes);
  layer.gain.assign(static_cast<size_t>(outputs), 1.0F);
  layer.shift.assign(static_cast<size_t>(outputs), 0.0F);
  layer.finish = {-1e30F, 1e30F};
  return layer;
}

void expect_the_numbers_of_the_reference(const infer::Plan& plan, const torch::Tensor& image) {
  const auto expected = run_reference(plan, image);
  for (const auto* kernels : all_kernels()) {
    const infer::Engine engine(plan, *kernels);
    EXPECT_TRUE(same_bits(run(engine, image.unsqueeze(0)), expected)) << kernels->name;
  }
}

// The most that 16 bits hold and one more, where the sums of a lane are the largest: weights of one sign.
TEST(Kernels, SumsAreExactAtTheirLimits) {
  for (const int32_t weight : {1, 7, 64, 127, -128, 255, 32000}) {
    for (const int32_t high : {1, 15, 255}) {
      SCOPED_TRACE(std::to_string(weight) + " times " + std::to_string(high));
      std::vector<int16_t> codes(18 * 24 * 9, static_cast<int16_t>(weight));
      codes[5] = 0;
      // Few enough to be corrections where the others are within 8 bits, and as large as they get.
      for (size_t i = 50; i < codes.size(); i += 200) {
        codes[i] = static_cast<int16_t>(weight < 0 ? -255 : std::max(weight, 255));
      }
      expect_the_numbers_of_the_reference(plan_of(high, 3, integer_layer(18, std::move(codes)), {18, 1, 1}),
                                          torch::full({24, 3, 3}, static_cast<float>(high)));
    }
  }
}

// 9 * 242 * 15 is within 16 bits, 9 * 243 * 15 is not.
TEST(Kernels, DepthwiseSumsAreExactAtTheirLimits) {
  for (const auto& [weight, route] : std::vector<std::pair<int, std::string>>{
           {242, "words"}, {-242, "words"}, {243, "codes"}, {-243, "codes"}}) {
    SCOPED_TRACE(weight);
    std::vector<int16_t> codes(24 * 9, static_cast<int16_t>(weight));
    const auto plan = plan_of(15, 3, integer_layer(24, codes, /*groups=*/24), {24, 1, 1});
    const auto image = torch::full({24, 3, 3}, 15.0F);
    expect_the_numbers_of_the_reference(plan, image);
    const auto profile = infer::Engine(plan).profile(image.data_ptr<float>());
    EXPECT_NE(profile.find("layer: depthwise " + route), std::string::npos) << profile;
  }
}

TEST_F(Engines, SayWhatTheyCannotCompute) {
  const auto refusal = [](const std::string& path) -> std::string {
    try {
      infer::Engine engine(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  };
  const auto int8 = refusal(write({"", "resnet", {{"depth", "8"}}, "int8", 8, 8}));
  EXPECT_NE(int8.find("a norm of another kind than batch norm"), std::string::npos) << int8;
  NetworkDescription description;
  description.options = {{"depth", "8"}};
  description.activation_range = ActivationRange::kBatch;
  write_model(folder_.file("b.h5"), *make_network(description));
  const auto batch = refusal(folder_.file("b.h5"));
  EXPECT_NE(batch.find("layer1.0.relu1 is an activation without a stored range"), std::string::npos) << batch;
}

TEST_F(Engines, MeasureTheLatencyOfOneImage) {
  const infer::Engine engine(write(cases()[0]));
  const auto begin = std::chrono::steady_clock::now();
  const auto found = infer::measure_latency(engine);
  const std::chrono::duration<double, std::milli> all = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(found.runs, 100);
  EXPECT_GT(found.milliseconds, 0);
  EXPECT_LE(found.milliseconds * 50, all.count()) << "half of the runs take at least the median";
  const std::vector<uint8_t> image(3 * 32 * 32);
  EXPECT_EQ(infer::measure_latency(engine, image.data(), 1, /*runs=*/3, /*threads=*/2).runs, 3);
  EXPECT_THROW(infer::measure_latency(engine, image.data(), 0, 3, 1), std::invalid_argument);
  EXPECT_THROW(infer::measure_latency(engine, image.data(), 1, 0, 1), std::invalid_argument);
  EXPECT_THROW(infer::measure_latency(engine, image.data(), 1, 3, 0), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
