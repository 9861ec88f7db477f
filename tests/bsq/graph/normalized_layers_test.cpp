#include "bsq/graph/normalized_layers.h"

#include <gtest/gtest.h>

#include "bsq/graph/builder.h"

namespace bsq::test {
namespace {

std::set<std::string> layers_of(const Flow& flow) {
  return normalized_layers(record(NetworkDescription(), flow, /*root=*/nullptr));
}

TEST(NormalizedLayers, AreThoseThatNormsAloneRead) {
  const auto layers = layers_of([](Builder& b, Value image) {
    const auto read_twice = b.conv("read_twice", image, /*planes=*/8, /*kernel=*/3);
    const auto once = b.norm("bn1", read_twice);
    const auto sum = b.add(once, read_twice);
    const auto normalized = b.norm("bn2", b.conv("normalized", sum, /*planes=*/8, /*kernel=*/3));
    const auto plain = b.relu(b.conv("plain", normalized, /*planes=*/8, /*kernel=*/3));
    return b.linear("fc", b.global_average_pool(plain), b.description().classes);
  });
  EXPECT_EQ(layers, std::set<std::string>{"normalized"});
}

TEST(NormalizedLayers, TwoNormsAreNormsAlone) {
  const auto layers = layers_of([](Builder& b, Value image) {
    const auto x = b.conv("conv", image, /*planes=*/8, /*kernel=*/3);
    const auto sum = b.add(b.norm("bn1", x), b.norm("bn2", x));
    return b.linear("fc", b.global_average_pool(sum), b.description().classes);
  });
  EXPECT_EQ(layers, std::set<std::string>{"conv"});
}

}  // namespace
}  // namespace bsq::test
