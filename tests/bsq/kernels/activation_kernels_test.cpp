#include "bsq/kernels/activation_kernels.h"

#include <torch/utils.h>

#include "tests/bsq/quant/slow_quantization.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

TEST(ActivationKernels, ServeDenseFloatTensors) {
  const auto x = torch::rand({2, 3, 4, 5});
  EXPECT_TRUE(can_use_activation_kernels(x));
  EXPECT_TRUE(can_use_activation_kernels(x.to(torch::kFloat64)));
  EXPECT_TRUE(can_use_activation_kernels(x.contiguous(torch::MemoryFormat::ChannelsLast)));
  EXPECT_TRUE(can_use_activation_kernels(x.transpose(1, 2)));
  EXPECT_FALSE(can_use_activation_kernels(x.slice(/*dim=*/3, /*start=*/0, /*end=*/5, /*step=*/2)));
  EXPECT_FALSE(can_use_activation_kernels(torch::rand({3, 1}).expand({3, 4})));
  EXPECT_FALSE(can_use_activation_kernels(x.to(torch::kBFloat16)));
}

TEST(ActivationKernels, KeepTheLayout) {
  torch::manual_seed(1);
  const auto x = torch::rand({2, 3, 4, 5}).contiguous(torch::MemoryFormat::ChannelsLast);
  const auto y = quantize_unsigned_kernel(x, /*levels=*/15, /*range=*/1);
  EXPECT_EQ(y.strides(), x.strides());
  EXPECT_TRUE(torch::equal(y, quantize_unsigned_kernel(x.contiguous(), /*levels=*/15, /*range=*/1)));
}

TEST(ActivationKernels, MatchALoopBeyondOneChunk) {
  torch::manual_seed(2);
  for (const int64_t count : {1, 2, 17, 16384, 16385, 50001}) {
    const auto x = torch::rand({count}).mul_(3);
    EXPECT_EQ(values_of<float>(quantize_unsigned_kernel(x, /*levels=*/15, /*range=*/2.5)),
              slow_quantize<float>(x, /*bits=*/4, /*range=*/2.5F));
  }
}

TEST(ActivationKernels, ThreadsDoNotChangeABit) {
  torch::manual_seed(3);
  const auto x = torch::rand({70001});
  const int before = torch::get_num_threads();
  torch::set_num_threads(1);
  const auto alone = quantize_unsigned_kernel(x, /*levels=*/7, /*range=*/0.9);
  torch::set_num_threads(2);
  const auto together = quantize_unsigned_kernel(x, /*levels=*/7, /*range=*/0.9);
  torch::set_num_threads(before);
  EXPECT_TRUE(same_bits(alone, together));
}

TEST(ActivationKernels, EmptyStaysEmpty) {
  EXPECT_EQ(quantize_unsigned_kernel(torch::zeros({0, 3}), /*levels=*/15, /*range=*/1).numel(), 0);
}

}  // namespace
}  // namespace bsq::test
