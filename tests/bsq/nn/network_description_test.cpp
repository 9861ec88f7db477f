#include "bsq/nn/network_description.h"

#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

TEST(NetworkDescription, NamesOfRangesGoBothWays) {
  for (const auto range : {ActivationRange::kRunning, ActivationRange::kBatch}) {
    EXPECT_EQ(activation_range_of(to_string(range)), range);
  }
  EXPECT_STREQ(to_string(ActivationRange::kRunning), "running");
  EXPECT_STREQ(to_string(ActivationRange::kBatch), "batch");
}

TEST(NetworkDescription, RefusesAnotherRange) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { activation_range_of("Batch"); }),
            "activation range 'Batch'; expected running or batch");
}

TEST(NetworkDescription, NamesOfPlacesGoBothWays) {
  for (const auto place : {ActivationPlace::kOutput, ActivationPlace::kInput, ActivationPlace::kSharedInput,
                           ActivationPlace::kEveryInput, ActivationPlace::kInnerSharedInput}) {
    EXPECT_EQ(activation_place_of(to_string(place)), place);
  }
  EXPECT_STREQ(to_string(ActivationPlace::kSharedInput), "shared-input");
  EXPECT_EQ(message_of<std::invalid_argument>([] { activation_place_of("front"); }),
            "activation place 'front'; expected one of output, input, shared-input, every-input, "
            "inner-shared-input");
}

TEST(NetworkDescription, TheLastRuleThatMatchesAnActivationCounts) {
  NetworkDescription description;
  description.activation_bits = 8;
  description.activation_rules = {{"layer1.*", 4}, {"*.relu2", 2}};
  EXPECT_EQ(activation_bits_at(description, "layer1.0.relu1"), 4);
  EXPECT_EQ(activation_bits_at(description, "layer1.0.relu2"), 2);
  EXPECT_EQ(activation_bits_at(description, "layer2.0.relu1"), 8);
}

}  // namespace
}  // namespace bsq::test
