#include "bsq/train/statistics.h"

#include <sstream>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

class Tiny : public Network {
 public:
  Tiny() : Network({}) { fc = register_module("fc", BitLinear(4, 1)); }
  torch::Tensor forward(const torch::Tensor& x) override { return fc(x); }
  BitLinear fc{nullptr};
};

// 3 bits: percent of ones 50, 0, 75; the bias all zero at 2 bits.
void fill(Tiny& network) {
  network.fc->change([&](BitParameter& parameter) {
    const bool is_weight = &parameter == &network.fc->weight_bits();
    const auto integers = is_weight ? torch::tensor({{5.0F, -4.0F, 1.0F, -1.0F}}) : torch::zeros({1});
    parameter.set_planes(planes_of(integers, is_weight ? 3 : 2, torch::tensor(0.5F)));
  });
}

std::string printed(Network& network) {
  std::ostringstream out;
  print_statistics(out, network);
  return out.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) {
    words.push_back(word);
  }
  return words;
}

using Words = std::vector<std::string>;

TEST(Statistics, PrintsEveryTensorAndTheTotals) {
  Tiny network;
  fill(network);
  const auto lines = lines_of(printed(network));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_TRUE(begins_with(lines[0], "tensor"));
  EXPECT_EQ(words_of(lines[1]), (Words{"fc.weight", "4", "3", "50.00", "0.00", "75.00"}));
  EXPECT_EQ(words_of(lines[2]), (Words{"fc.bias", "1", "2", "0.00", "0.00"}));
  // 5 weights; 4 x 3 + 1 x 2 bits; stored 4 x 4 + 32 + 1 x 3 + 32.
  EXPECT_EQ(lines[3], "weights 5, bits 14, comp 11.43, comp_stored 1.93");
}

TEST(Statistics, AFrozenNetworkPrintsTheSameButForZeroBits) {
  Tiny network;
  fill(network);
  const auto bits = lines_of(printed(network));
  freeze_network(network);
  const auto frozen = lines_of(printed(network));
  ASSERT_EQ(frozen.size(), 4U);
  EXPECT_EQ(frozen[1], bits[1]);
  EXPECT_TRUE(begins_with(frozen[2], "fc.bias"));
  EXPECT_TRUE(contains(frozen[2], "all weights are 0"));
  EXPECT_EQ(frozen[3], "weights 5, bits 12, comp 13.33, comp_stored 3.33");
  EXPECT_EQ(network_representation(network), Representation::kFrozen) << "printing changes nothing";
}

TEST(Statistics, RealPlanesAreCountedAsTheyRequantize) {
  Tiny network;
  fill(network);
  const auto expected = lines_of(printed(network));
  torch::NoGradGuard no_grad;
  network.fc->weight_bits().planes().positive.add_(0.04);
  EXPECT_EQ(lines_of(printed(network))[1], expected[1]);
}

TEST(Statistics, LeavesTheStreamsFormat) {
  Tiny network;
  fill(network);
  std::ostringstream out;
  print_statistics(out, network);
  out.str("");
  out << 1.23456789;
  EXPECT_EQ(out.str(), "1.23457");
}

TEST(Statistics, CompressionOfAFloatNetworkIsOne) {
  Tiny network;
  EXPECT_EQ(compression_of(network).comp, 1.0);
  EXPECT_EQ(compression_of(network).comp_stored, 1.0);
  fill(network);
  EXPECT_DOUBLE_EQ(compression_of(network).comp, 160.0 / 14);
  EXPECT_DOUBLE_EQ(compression_of(network).comp_stored, 160.0 / 83);
}

}  // namespace
}  // namespace bsq::test
