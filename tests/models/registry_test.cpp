#include "models/registry.h"

#include <stdexcept>

#include "models/resnet.h"
#include "tests/bsq/bits/support.h"

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

TEST(Registry, RefusesAnotherArchitecture) {
  NetworkDescription description;
  description.architecture = "vgg";
  EXPECT_EQ(message_of<std::invalid_argument>([&] { make_network(description); }),
            "architecture 'vgg'; expected resnet");
}

}  // namespace
}  // namespace bsq::test
