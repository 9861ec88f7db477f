#include "models/registry.h"

#include <stdexcept>

#include "models/resnet.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

TEST(Registry, MakesEveryArchitectureThatItNames) {
  for (const auto& name : architectures()) {
    NetworkDescription description;
    description.architecture = name;
    const auto network = make_network(description);
    EXPECT_EQ(network->description().architecture, name);
    EXPECT_EQ(network->forward(torch::zeros({2, 3, 32, 32})).sizes(), at::IntArrayRef({2, 10}));
  }
}

TEST(Registry, MakesAResNet) { EXPECT_NE(std::dynamic_pointer_cast<ResNetImpl>(make_network({})), nullptr); }

class OwnNetworkImpl : public Network {
 public:
  explicit OwnNetworkImpl(const NetworkDescription& description) : Network(description) {}
  torch::Tensor forward(const torch::Tensor& images) override {
    return images.new_zeros({images.size(0), description().classes});
  }
};

const NetworkRegistration<OwnNetworkImpl> kOwn("own");

TEST(Registry, AFileRegistersItsNetwork) {
  EXPECT_EQ(architectures(), (std::vector<std::string>{"own", "resnet"}));
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
  description.architecture = "vgg";
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { make_network(description); }),
                       "architecture 'vgg'; expected own, resnet"));
}

}  // namespace
}  // namespace bsq::test
