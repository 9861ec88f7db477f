#include "bsq/io/checkpoint/packing.h"

#include <torch/utils.h>

#include <vector>

#include "bsq/base/error.h"
#include "tests/support.h"

namespace bsq {
namespace {

torch::Tensor bytes_of(std::vector<int> values) {
  return torch::tensor(values, torch::kInt32).to(torch::kUInt8);
}

TEST(Packing, IsAnInverseForEveryWidth) {
  torch::manual_seed(1);
  for (int64_t bits = 0; bits <= kMaxStoredBits; ++bits) {
    const int64_t limit = (int64_t{1} << bits) - 1;
    for (const std::vector<int64_t>& shape :
         std::vector<std::vector<int64_t>>{{}, {0}, {1}, {8}, {3, 5}, {2, 3, 4, 5}}) {
      const torch::Tensor integers = torch::randint(-limit, limit + 1, shape, torch::kInt32);
      const torch::Tensor bytes = pack_digits(integers, bits);
      EXPECT_EQ(bytes.numel(), packed_bytes(integers.numel(), bits));
      EXPECT_TRUE(test::same_bits(unpack_digits(bytes, shape, bits), integers)) << bits << " bits";
    }
  }
}

TEST(Packing, HasTheDocumentedOrder) {
  const torch::Tensor integers = torch::tensor({3, -1, 0, 2, 0, 0, 0, 0, -2}, torch::kInt32);
  const torch::Tensor expected = bytes_of({0b01000000, 0b10000000, 0b10010000, 0b10000000, 0b11000000, 0});
  EXPECT_TRUE(test::same_bits(pack_digits(integers, 2), expected));
}

TEST(Packing, KeepsTheExtremes) {
  const torch::Tensor integers = torch::tensor({65535, -65535, 0}, torch::kInt32);
  EXPECT_TRUE(test::same_bits(unpack_digits(pack_digits(integers, 16), {3}, 16), integers));
}

TEST(Packing, RefusesACallersMistake) {
  EXPECT_THROW(pack_digits(torch::tensor({4}, torch::kInt32), 2), std::invalid_argument);
  EXPECT_THROW(pack_digits(torch::tensor({-4}, torch::kInt32), 2), std::invalid_argument);
  EXPECT_THROW(pack_digits(torch::tensor({1}, torch::kInt32), 0), std::invalid_argument);
  EXPECT_THROW(pack_digits(torch::tensor({INT32_MIN}, torch::kInt32), 16), std::invalid_argument);
  EXPECT_THROW(pack_digits(torch::tensor({1}, torch::kInt32), 17), std::invalid_argument);
  EXPECT_THROW(pack_digits(torch::tensor({1}, torch::kInt64), 2), std::invalid_argument);
  EXPECT_THROW(unpack_digits(torch::zeros({2}), {3}, 1), std::invalid_argument);
  EXPECT_THROW(unpack_digits(bytes_of({0, 0}), {3}, -1), std::invalid_argument);
}

TEST(Packing, RefusesWhatItCannotHaveMade) {
  EXPECT_THROW(unpack_digits(bytes_of({0}), {3}, 1), Error) << "too short";
  EXPECT_THROW(unpack_digits(bytes_of({0, 0, 0}), {3}, 1), Error) << "too long";
  EXPECT_THROW(unpack_digits(bytes_of({0x80, 0}), {3}, 1), Error) << "sign on a zero";
  EXPECT_THROW(unpack_digits(bytes_of({0, 1}), {3}, 1), Error) << "padding";
  EXPECT_THROW(unpack_digits(bytes_of({1, 0}), {3}, 1), Error) << "padding of the signs";
}

constexpr CodeFormat kSigns{/*bits=*/1, /*levels=*/1, /*low=*/-1, /*step=*/2, /*has_sign_bit=*/false};

TEST(Packing, CodesOfEveryFormatComeBack) {
  torch::manual_seed(2);
  std::vector<CodeFormat> formats = {kSigns, {0, 1, 0, 1, false}, {2, 3, -3, 2, false}, {4, 15, 0, 1, false}};
  for (int64_t bits = 1; bits <= kMaxStoredBits; ++bits) {
    formats.push_back(twos_complement(bits));
    formats.push_back(sign_magnitude(bits));
  }
  for (const auto& format : formats) {
    for (const std::vector<int64_t>& shape :
         std::vector<std::vector<int64_t>>{{}, {0}, {1}, {8}, {3, 5}, {2, 3, 4, 5}}) {
      const int64_t places = (format.high() - format.low) / format.step;
      const auto integers =
          torch::randint(0, places + 1, shape, torch::kInt32).mul_(format.step).add_(format.low);
      const auto bytes = pack_codes(integers, format);
      EXPECT_EQ(bytes.numel(), packed_bytes(integers.numel(), format));
      EXPECT_TRUE(test::same_bits(unpack_codes(bytes, shape, format), integers)) << format.bits << " bits";
    }
  }
}

TEST(Packing, UnsignedIntegersHaveNoSignPlane) {
  const torch::Tensor integers = torch::tensor({3, 1, 0, 2, 0, 0, 0, 0, 2}, torch::kInt32);
  const torch::Tensor expected = bytes_of({0b10010000, 0b10000000, 0b11000000, 0});
  EXPECT_TRUE(test::same_bits(pack_unsigned(integers, 2), expected));
  EXPECT_EQ(packed_bytes(9, twos_complement(2)), 4);
}

TEST(Packing, GridsArePackedByTheirPlaces) {
  const torch::Tensor signs = torch::tensor({1, -1, -1, 1}, torch::kInt32);
  EXPECT_TRUE(test::same_bits(pack_codes(signs, kSigns), bytes_of({0b10010000})));
  const torch::Tensor twos = torch::tensor({-2, -1, 0, 1}, torch::kInt32);
  EXPECT_TRUE(test::same_bits(pack_codes(twos, twos_complement(2)), bytes_of({0b00110000, 0b01010000})));
}

TEST(Packing, RefusesIntegersThatAreNotOfTheFormat) {
  EXPECT_THROW(pack_codes(torch::tensor({0}, torch::kInt32), kSigns), std::invalid_argument)
      << "off the grid";
  EXPECT_THROW(pack_codes(torch::tensor({3}, torch::kInt32), kSigns), std::invalid_argument);
  EXPECT_THROW(pack_codes(torch::tensor({-3}, torch::kInt32), kSigns), std::invalid_argument);
  EXPECT_THROW(pack_codes(torch::tensor({2}, torch::kInt32), twos_complement(2)), std::invalid_argument);
  EXPECT_THROW(pack_codes(torch::tensor({-3}, torch::kInt32), twos_complement(2)), std::invalid_argument);
  EXPECT_THROW(pack_unsigned(torch::tensor({1}, torch::kInt32), 17), std::invalid_argument);
  EXPECT_THROW(pack_unsigned(torch::tensor({1}, torch::kInt64), 2), std::invalid_argument);
}

TEST(Packing, RefusesUnsignedBytesThatItCannotHaveMade) {
  EXPECT_THROW(unpack_codes(bytes_of({0}), {3}, twos_complement(2)), Error) << "too short";
  EXPECT_THROW(unpack_codes(bytes_of({0, 0, 0}), {3}, twos_complement(2)), Error) << "too long";
  EXPECT_THROW(unpack_codes(bytes_of({0, 1}), {3}, twos_complement(2)), Error) << "padding";
  EXPECT_THROW(unpack_codes(torch::zeros({2}), {3}, twos_complement(2)), std::invalid_argument);
}

}  // namespace
}  // namespace bsq
