#include <stdexcept>

#include "bsq/methods/methods.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

TEST(FloatMethod, TakesAFloatNetworkAsItIs) {
  SmallNetwork network;
  const auto before = save_network(network);
  make_method("float")->begin(network, {LayerRules(8)});
  expect_same_state(save_network(network), before);
}

TEST(FloatMethod, RefusesANetworkThatHoldsBits) {
  for (const auto form : {Form::kPlanes, Form::kFrozen}) {
    SmallNetwork network;
    bring_to(network, form);
    EXPECT_EQ(
        message_of<std::invalid_argument>([&] { make_method("float")->begin(network, {LayerRules(8)}); }),
        refusal_of_bits(network, "float"));
  }
}

}  // namespace
}  // namespace bsq::test
