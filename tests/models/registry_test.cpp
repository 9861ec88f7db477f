#include "models/registry.h"

#include <torch/utils.h>

#include <algorithm>
#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"
#include "tests/bsq/nn/halving_norm.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

TEST(Registry, MakesEveryArchitectureThatItNames) {
  for (const auto& name : architectures()) {
    NetworkDescription description;
    description.architecture = name;
    const int64_t side = name == "inception_v3" ? 75 : 32;  // the smallest that leaves it a pixel
    description.image_height = description.image_width = side;
    const auto network = make_network(description);
    EXPECT_EQ(network->description().architecture, name);
    EXPECT_EQ(network->forward(torch::zeros({2, 3, side, side})).sizes(), at::IntArrayRef({2, 10}));
  }
}

TEST(Registry, TheDescriptionGetsEveryOption) {
  NetworkDescription description;
  description.options["depth"] = "8";
  const std::map<std::string, std::string> expected = {
      {"block-name", "BasicBlock"}, {"depth", "8"}, {"quantize-shortcut", "false"}, {"shortcut", "B"}};
  EXPECT_EQ(make_network(description)->description().options, expected);
}

TEST(Registry, RefusesAnOptionThatTheArchitectureLacks) {
  NetworkDescription description;
  description.options["width"] = "2";
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { make_network(description); }), "width"));
  EXPECT_THROW(program_of(description), std::invalid_argument);
  description.options = {{"depth", "deep"}};
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { make_network(description); }), "deep"));
}

TEST(Registry, KnowsWhatAnArchitectureIs) {
  EXPECT_TRUE(contains(architecture_info("resnet").source, "He et al."));
  EXPECT_FALSE(architecture_info("resnet").sentence.empty());
  OptionTable table;
  const auto resnet = make_architecture("resnet");
  resnet->add_options(table);
  EXPECT_NE(table.find("depth"), nullptr);
  for (const auto& option : table.options()) {
    EXPECT_TRUE(option.resume_rule().has_value()) << option.name();
  }
  EXPECT_EQ(make_architecture("own"), nullptr) << "its forward pass is written by hand";
}

TEST(Registry, AProgramIsRecordedWithoutModules) {
  const auto program = program_of({});
  ASSERT_TRUE(program.has_value());
  const auto network = make_network({});
  ASSERT_EQ(program->nodes().size(), network->program()->nodes().size());
  EXPECT_EQ(std::get<op::Conv>(program->nodes()[1].operation).layer.module, nullptr);
}

TEST(Registry, CostIsKnownWhereAProgramIs) {
  NetworkDescription description;
  EXPECT_TRUE(cost_of(description, {{"conv1", 8}}).has_value());
  EXPECT_FALSE(cost_of(description, {{"conv9", 8}}).has_value()) << "no such layer";
  description.options["depth"] = "21";
  EXPECT_FALSE(cost_of(description, {}).has_value()) << "no such network";
  description = {};
  description.architecture = "own";
  EXPECT_FALSE(cost_of(description, {}).has_value()) << "written by hand";
  EXPECT_FALSE(program_of(description).has_value());
  description.architecture = "unknown";
  EXPECT_FALSE(cost_of(description, {}).has_value());
}

class OwnArchitecture : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table.add("planes", &planes_, "channels").range(1, 64).resume(ResumeRule::kFixed);
  }
  Value build(Builder& b, Value image) const override {
    const auto x = b.relu(b.norm("norm", b.conv("conv", image, planes_, /*kernel=*/3)));
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  }

 private:
  int64_t planes_ = 4;
};

const ArchitectureRegistration<OwnArchitecture> kOwnArchitecture("built", "One convolution.", "this test");

TEST(Registry, AFileRegistersItsArchitecture) {
  NetworkDescription description;
  description.architecture = "built";
  EXPECT_EQ(make_network(description)->named_parameters()["conv.weight"].size(0), 4);
  description.options["planes"] = "6";
  EXPECT_EQ(make_network(description)->named_parameters()["conv.weight"].size(0), 6);
  description.options["planes"] = "65";
  EXPECT_THROW(make_network(description), std::invalid_argument);
}

class OwnNetworkImpl : public Network {
 public:
  explicit OwnNetworkImpl(const NetworkDescription& description) : Network(description) {}
  torch::Tensor forward(const torch::Tensor& images) override {
    return images.new_zeros({images.size(0), description().classes});
  }
};

const NetworkRegistration<OwnNetworkImpl> kOwn("own");

TEST(Registry, AFileRegistersItsNetwork) {
  const auto names = architectures();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const char* name : {"built", "own", "resnet"}) {
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
  }
  NetworkDescription description;
  description.architecture = "own";
  EXPECT_NE(std::dynamic_pointer_cast<OwnNetworkImpl>(make_network(description)), nullptr);
}

TEST(Registry, ANameIsTakenOnce) {
  const auto make = [](const NetworkDescription& description) {
    return std::make_shared<OwnNetworkImpl>(description);
  };
  register_network("twice", make);
  NetworkDescription description;
  description.architecture = "twice";
  EXPECT_NO_THROW(make_network(description));
  register_network("twice", make);
  EXPECT_EQ(message_of<std::logic_error>([&] { make_network(description); }),
            "architecture 'twice' is registered twice");
}

TEST(Registry, RefusesAnotherArchitecture) {
  NetworkDescription description;
  description.architecture = "lenet";
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { make_network(description); }),
                       "architecture 'lenet'; expected alexnet, "));
}

TEST(Registry, RebuildsAFloatNetworkWithOtherActivations) {
  NetworkDescription description;
  description.options["depth"] = "8";
  description.activation_bits = 0;
  const auto network = make_network(description);
  network->eval();
  auto wanted = network->description();
  wanted.activation_bits = 4;
  wanted.activation_place = ActivationPlace::kInput;
  const auto made = rebuild(*network, wanted);
  EXPECT_EQ(made->description(), wanted);
  EXPECT_FALSE(made->is_training());
  for (const auto& item : network->named_parameters()) {
    EXPECT_TRUE(torch::equal(made->named_parameters()[item.key()], item.value())) << item.key();
  }
  for (const auto& item : network->named_buffers()) {
    EXPECT_EQ(made->named_buffers()[item.key()].scalar_type(), item.value().scalar_type()) << item.key();
  }
  EXPECT_NE(made->named_buffers().find("fc_input.range"), nullptr);
  wanted.classes = 7;
  EXPECT_THROW(rebuild(*network, wanted), std::invalid_argument);
}

TEST(Registry, ANormOfAnotherKindTakesWhatTheBatchNormHad) {
  register_halving_norm();
  NetworkDescription description;
  description.options["depth"] = "8";
  const auto network = make_network(description);
  torch::NoGradGuard no_grad;
  network->named_parameters()["layer1.0.bn1.bias"].fill_(3);
  auto wanted = network->description();
  wanted.norm = "halving";
  const auto made = rebuild(*network, wanted);
  EXPECT_TRUE(made->named_parameters()["layer1.0.bn1.shift"].eq(3).all().item<bool>());
  EXPECT_EQ(made->named_parameters().find("layer1.0.bn1.weight"), nullptr);
  EXPECT_TRUE(made->forward(torch::ones({2, 3, 32, 32})).isfinite().all().item<bool>());
}

}  // namespace
}  // namespace bsq::test
