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

}  // namespace
}  // namespace bsq::test
