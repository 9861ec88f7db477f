#include "bsq/io/checkpoint/packing.h"

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

}  // namespace
}  // namespace bsq
