#include "bsq/nn/activation_factory.h"

#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

TEST(ActivationFactory, UniformIsWhatTheDescriptionSays) {
  NetworkDescription description;
  description.activation_bits = 3;
  for (const auto range : {ActivationRange::kBatch, ActivationRange::kRunning}) {
    description.activation_range = range;
    const auto activation = make_activation(description);
    EXPECT_EQ(activation->activation().bits(), 3);
    EXPECT_EQ(activation->activation().needs_calibration(), range == ActivationRange::kRunning);
  }
}

TEST(ActivationFactory, OtherKindsRegisterThemselves) {
  NetworkDescription description;
  description.activation = "seven";
  EXPECT_EQ(message_of<std::invalid_argument>([&] { make_activation(description); }),
            "activation 'seven'; expected uniform");
  const auto seven = [](const NetworkDescription&) {
    return std::make_unique<UniformActivation>(UniformActivationOptions(7));
  };
  register_activation("seven", seven);
  EXPECT_EQ(make_activation(description)->activation().bits(), 7);
  EXPECT_THROW(register_activation("seven", seven), std::logic_error);
  EXPECT_THROW(register_activation("uniform", seven), std::logic_error);
}

}  // namespace
}  // namespace bsq::test
