#include <torch/utils.h>

#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/network_sizes.h"
#include "tests/bsq/methods/hysteresis/hysteresis_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

torch::Tensor evaluated(Network& network, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  network.eval();
  return network.forward(x);
}

NetworkState through_a_file(const Network& network, const NetworkState& state) {
  const TemporaryFolder folder;
  Checkpoint checkpoint;
  checkpoint.method = "hysteresis";
  checkpoint.description = network.description();
  checkpoint.network = state;
  write_checkpoint(folder.file("a.h5"), checkpoint);
  const auto read = read_checkpoint(folder.file("a.h5"));
  EXPECT_TRUE(read.description == network.description());
  return read.network;
}

std::vector<std::string> activation_paths(Network& network) {
  std::vector<std::string> paths;
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    if (const auto* module = item.value()->as<ActivationQuantizer>()) {
      paths.push_back(item.key() + "=" + std::to_string(module->activation().bits()));
    }
  }
  return paths;
}

// Signs that differ from those of the hidden weights, as inside the loop's band.
void turn_some_signs(Network& network) {
  for (auto& item : network.named_buffers()) {
    if (item.key().rfind(".sign") != std::string::npos) {
      item.value().bernoulli_(0.5);
    }
  }
}

TEST(HysteresisMethod, EveryConvolutionButTheFirstIsBinary) {
  const auto method = hysteresis_method();
  const auto network = hysteresis_resnet(*method);
  Scheme expected;
  for (const std::string stage : {"layer1", "layer2", "layer3"}) {
    expected[stage + ".0.conv1"] = expected[stage + ".0.conv2"] = {1, 0};
  }
  expected["layer2.0.downsample.0"] = expected["layer3.0.downsample.0"] = {1, 0};
  EXPECT_EQ(scheme_of(*network), expected) << "shortcuts too; first convolution and fc float";
}

TEST(HysteresisMethod, MapsStandInFrontOfBlocksAndOfTheirSecondConvolution) {
  const auto method = hysteresis_method({{"quantize_layer2", "3"}, {"quantize-layer3", "0"}});
  const auto network = hysteresis_resnet(*method);
  EXPECT_EQ(activation_paths(*network),
            (std::vector<std::string>{"layer1.0.conv1_input=2", "layer1.0.conv2_input=2",
                                      "layer2.0.conv1_input=3", "layer2.0.conv2_input=3"}))
      << "shared with the shortcut, none at fc, stage 3 float";
  EXPECT_EQ(network->description().activation, "hysteresis-fixed");
}

TEST(HysteresisMethod, PactMapsHaveATrainedAlpha) {
  const auto method = hysteresis_method({{"map", "pact"}});
  const auto network = hysteresis_resnet(*method, /*activation_bits=*/3);
  const auto parameters = network->named_parameters();
  const auto* alpha = parameters.find("layer1.0.conv1_input.alpha");
  ASSERT_NE(alpha, nullptr);
  EXPECT_EQ(alpha->item<float>(), 7);
}

TEST(HysteresisMethod, TheUsersOwnRulesCountBeforeThoseOfStages) {
  NetworkDescription description;
  description.activation_rules = {{"layer1.0.conv2_input", 5}};
  const auto method = hysteresis_method({{"quantize-layer1", "3"}});
  const auto adapted = method->adapted(description);
  EXPECT_EQ(activation_bits_at(adapted, "layer1.0.conv1_input"), 3);
  EXPECT_EQ(activation_bits_at(adapted, "layer1.0.conv2_input"), 5);
  EXPECT_TRUE(method->adapted(adapted) == adapted) << "twice is once";
}

TEST(HysteresisMethod, RefusesOptionsThatDoNotGoTogether) {
  NetworkDescription description;
  description.activation_rules = {{"layer1.*", 5}};
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              hysteresis_method({{"quantize-layer1", "3"}})->adapted(description);
            }),
            "--quantize-layer1 3: contradicts the rule layer1.*=5 of --layer-act or of the model file");
  description.activation_bits = 0;
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              hysteresis_method({{"quantize-layer2", "3"}})->adapted(description);
            }),
            "--quantize-layer: no effect with --act 0, which keeps feature maps float");
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              hysteresis_method({{"map", "pact"}})->adapted(description);
            }),
            "--map pact: no effect with --act 0, which keeps feature maps float");
}

TEST(HysteresisMethod, RefusesOtherBitsThanOne) {
  const auto method = hysteresis_method();
  method->check_rules(LayerRules(1).keep_float({"layer1.*"}));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { method->check_rules(LayerRules(4)); }),
            "--bits 4: expected 1, as --method hysteresis needs");
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              method->check_rules(LayerRules(1).layer_bits({{"fc", 2}}));
            }),
            "--layer-bits fc=2: expected 1, as --method hysteresis needs");
  EXPECT_EQ(
      message_of<std::invalid_argument>([] {
        hysteresis_method({{"hysteresis", "published"}})->check_rules(LayerRules(1).keep_float({"fc"}));
      }),
      "--keep-float: no effect with --hysteresis published, which makes every convolution but the first "
      "binary");
}

TEST(HysteresisMethod, NamedLayersAreBinaryWhateverTheyAre) {
  SmallNetwork network(/*activation_bits=*/0);
  hysteresis_method()->begin(network, {LayerRules(1).layer_bits({{"fc", 1}}).keep_float({"conv2"})});
  EXPECT_EQ(scheme_of(network), (Scheme{{"fc", {1, 0}}}));
}

TEST(HysteresisMethod, AFileKeepsHiddenWeightsAndSigns) {
  torch::manual_seed(1);
  for (const std::string map : {"fixed", "pact"}) {
    const auto method = hysteresis_method({{"map", map}});
    const auto network = hysteresis_resnet(*method);
    turn_some_signs(*network);
    const auto state = save_network(*network);
    const auto read = through_a_file(*network, state);
    expect_same_state(read, state);
    const auto loaded = make_network(network->description());
    load_network(*loaded, read);
    method->adopt(*loaded);
    const auto x = torch::randn({2, 3, 32, 32});
    EXPECT_TRUE(torch::equal(evaluated(*loaded, x), evaluated(*network, x)));
    method->begin(*loaded, {LayerRules(1)});
    expect_same_state(save_network(*loaded), state);
  }
}

TEST(HysteresisMethod, AFileOfCodesKeepsEveryValueInOneBit) {
  torch::manual_seed(2);
  const auto method = hysteresis_method();
  const auto network = hysteresis_resnet(*method);
  turn_some_signs(*network);
  const auto packed = through_a_file(*network, codes_of_network(*network));
  const auto loaded = make_network(network->description());
  load_network(*loaded, packed);
  const auto x = torch::randn({2, 3, 32, 32});
  EXPECT_TRUE(torch::equal(evaluated(*loaded, x), evaluated(*network, x)));
  EXPECT_EQ(sizes_of(packed).bits_total, sizes_of(packed).weights) << "no bit beside the sign";
  EXPECT_EQ(sizes_of(packed).stored_bits, sizes_of(*network).stored_bits) << "kept signs cost nothing more";
  make_method("frozen")->begin(*network, {LayerRules(8)});
  EXPECT_TRUE(torch::equal(evaluated(*network, x), evaluated(*loaded, x)));
}

TEST(HysteresisMethod, AFilesFaultIsNamedWithItsTensor) {
  const auto network = hysteresis_network();
  auto state = save_network(*network);
  entry_in(state, "conv2.sign").value.fill_(7);
  EXPECT_EQ(message_of<Error>([&] { hysteresis_network_of(state); }),
            "conv2.weight: hysteresis: signs other than 0 and 1; expected 1 for + and 0 for -");
  entry_in(state, "conv2.sign").value = torch::ones({3}, torch::kUInt8);
  EXPECT_THROW(hysteresis_network_of(state), Error);
}

TEST(HysteresisMethod, ThePublishedRuleLeavesAFloatNetwork) {
  torch::manual_seed(3);
  const auto method = hysteresis_method({{"hysteresis", "published"}});
  const auto network = hysteresis_resnet(*method);
  EXPECT_TRUE(is_float(*network)) << "some weights are neither sign: no codes";
  const auto optimizer = method->make_optimizer(*network, SgdOptions());
  std::set<std::string> hidden;
  for (const auto& [name, tensor] : optimizer->state()) {
    if (name.rfind(".hidden") != std::string::npos) {
      hidden.insert(name);
    }
  }
  EXPECT_EQ(hidden.size(), 8U);
  EXPECT_EQ(hidden.count("layer2.0.downsample.0.weight.hidden"), 1U);
}

TEST(HysteresisMethod, MeasuresWhatTheLoopHolds) {
  const auto network = hysteresis_network();
  const auto method = hysteresis_method();
  EXPECT_EQ(method->metric_names(), std::vector<std::string>{"Held %"});
  EXPECT_EQ(method->measure(*network, {}, 1, {}), std::vector<double>{0});
  network->named_parameters()["conv2.weight"].detach().fill_(1);
  network->named_buffers()["conv2.sign"].fill_(1).view({-1}).slice(0, 0, 144).fill_(0);
  EXPECT_EQ(method->measure(*network, {}, 1, {}), std::vector<double>{25});
}

}  // namespace
}  // namespace bsq::test
