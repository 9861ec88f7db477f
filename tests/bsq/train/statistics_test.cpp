#include "bsq/train/statistics.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <sstream>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

class Tiny : public Network {
 public:
  Tiny() : Network({}) { fc = register_module("fc", QuantLinear(4, 1)); }
  torch::Tensor forward(const torch::Tensor& x) override { return fc(x); }
  QuantLinear fc{nullptr};
};

// 3 bits: percent of ones 50, 0, 75; the bias has 2 planes without a digit.
void fill(Tiny& network) {
  network.fc->set_weight(plane_source(torch::tensor({{5.0F, -4.0F, 1.0F, -1.0F}}), /*bits=*/3));
  network.fc->set_bias(plane_source(torch::zeros({1}), /*bits=*/2));
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
  EXPECT_EQ(words_of(lines[2]), (Words{"fc.bias", "1", "0", "all", "weights", "are", "0"}));
  // 5 weights; 4 x 3 bits; stored 4 x 4 + 32.
  EXPECT_EQ(lines[3], "weights 5, bits 12, comp 13.33, comp_stored 3.33");
}

TEST(Statistics, AFrozenNetworkPrintsTheSame) {
  Tiny network;
  fill(network);
  const auto planes = printed(network);
  for (const auto& ref : coded_sources(network)) {
    ref.set(make_frozen(*ref.source().codes()));
  }
  EXPECT_EQ(printed(network), planes);
  EXPECT_EQ(network.fc->weight_source().kind(), "frozen") << "printing changes nothing";
}

TEST(Statistics, OtherGridsPrintTheirPlaces) {
  Tiny network;
  Codes codes;
  codes.integers = torch::tensor({{-2, -1, 0, 1}}, torch::kInt32);  // places 0 to 3
  codes.scale = torch::tensor(0.5F);
  codes.format = twos_complement(2);
  network.fc->set_weight(make_frozen(codes));
  const auto lines = lines_of(printed(network));
  EXPECT_EQ(words_of(lines[1]), (Words{"fc.weight", "4", "2", "50.00", "50.00"}));
}

TEST(Statistics, RealPlanesAreCountedAsTheyRequantize) {
  Tiny network;
  fill(network);
  const auto expected = lines_of(printed(network));
  torch::NoGradGuard no_grad;
  planes_in(network.fc->weight_source()).positive.add_(0.04);
  network.fc->weight_source().refresh();
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

TEST(Statistics, AFloatNetworkHasTotalsAlone) {
  Tiny network;
  const auto lines = lines_of(printed(network));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1], "weights 0, bits 0, comp 1.00, comp_stored 1.00");
}

}  // namespace
}  // namespace bsq::test
