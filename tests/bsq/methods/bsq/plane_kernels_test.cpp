#include "bsq/methods/bsq/plane_kernels.h"

#include <ATen/Parallel.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include "bsq/methods/bsq/penalty.h"
#include "bsq/methods/bsq/reconstruction.h"
#include "tests/bsq/methods/bsq/support.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr PlaneStep kStep{/*learning_rate=*/0.3, /*momentum=*/0.9, /*weight_decay=*/0.01, /*penalty=*/0.2,
                          /*gradient_factor=*/1};

class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~ThreadCount() { at::set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

// The fused step with its state.
struct Fused {
  explicit Fused(const BitPlanes& start)
      : planes{start.positive.clone(), start.negative.clone(), start.scale.clone()},
        momentum_positive(torch::zeros_like(planes.positive)),
        momentum_negative(torch::zeros_like(planes.negative)),
        squares(plane_squares(planes)) {}
  void step(const torch::Tensor& gradient, PlaneStep numbers = kStep) {
    numbers.gradient_factor = planes.scale.item<double>();
    step_planes(planes, momentum_positive, momentum_negative, gradient, numbers, squares);
  }
  BitPlanes planes;
  torch::Tensor momentum_positive, momentum_negative, squares;
};

// The slow, obvious one: autograd, torch::optim::SGD, clamp.
struct Naive {
  explicit Naive(const BitPlanes& start)
      : positive(start.positive.clone().set_requires_grad(true)),
        negative(start.negative.clone().set_requires_grad(true)),
        scale(start.scale.clone()),
        sgd(std::vector<torch::Tensor>{positive, negative}, torch::optim::SGDOptions(kStep.learning_rate)
                                                                .momentum(kStep.momentum)
                                                                .weight_decay(kStep.weight_decay)) {}
  void step(const torch::Tensor& gradient) {
    sgd.zero_grad();
    const auto weight = reconstruct_ste(positive, negative, scale);
    (weight.mul(gradient).sum() + kStep.penalty * group_lasso(positive, negative)).backward();
    sgd.step();
    torch::NoGradGuard no_grad;
    positive.clamp_(0, 2);
    negative.clamp_(0, 2);
  }
  torch::Tensor positive, negative, scale;
  torch::optim::SGD sgd;
};

void expect_as_naive(const Shape& shape, int64_t bits, torch::ScalarType type, double tolerance) {
  const auto start = real_planes(shape, bits, type);
  Fused fused(start);
  Naive naive(start);
  for (int step = 0; step < 6; ++step) {
    const auto gradient = torch::randn(shape, type).mul_(2);
    fused.step(gradient);
    naive.step(gradient);
    ASSERT_TRUE(torch::allclose(fused.planes.positive, naive.positive.detach(), tolerance, tolerance))
        << "step " << step << ", " << bits << " bits, shape " << at::IntArrayRef(shape);
    ASSERT_TRUE(torch::allclose(fused.planes.negative, naive.negative.detach(), tolerance, tolerance));
  }
  EXPECT_TRUE(torch::equal(fused.planes.scale, start.scale));
}

TEST(PlaneKernels, StepMatchesAutogradAndSgd) {
  torch::manual_seed(1);
  for (const auto& shape : weight_shapes()) {
    for (const int64_t bits : {1, 2, 5, 8}) {
      expect_as_naive(shape, bits, torch::kFloat32, /*tolerance=*/2e-5);
      expect_as_naive(shape, bits, torch::kFloat64, /*tolerance=*/1e-11);
    }
  }
}

TEST(PlaneKernels, StepReachesBothEndsOfTheClamp) {
  torch::manual_seed(2);
  Fused fused(real_planes({999}, /*bits=*/2, torch::kFloat32));
  for (int step = 0; step < 5; ++step) {
    fused.step(torch::randn({999}).mul_(20));
  }
  EXPECT_EQ(fused.planes.positive.min().item<float>(), 0.0F);
  EXPECT_EQ(fused.planes.positive.max().item<float>(), 2.0F);
  EXPECT_EQ(fused.planes.negative.min().item<float>(), 0.0F);
  EXPECT_EQ(fused.planes.negative.max().item<float>(), 2.0F);
}

TEST(PlaneKernels, SquaresAreAsPlaneSquaresGivesThemBitForBit) {
  // A resumed run computes them anew, and has to go on as the uninterrupted one.
  torch::manual_seed(3);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& shape : weight_shapes()) {
      Fused fused(real_planes(shape, /*bits=*/5, type));
      for (int step = 0; step < 3; ++step) {
        fused.step(torch::randn(shape, type));
        ASSERT_TRUE(same_bits(fused.squares, plane_squares(fused.planes))) << at::IntArrayRef(shape);
      }
    }
  }
}

TEST(PlaneKernels, SquaresMatchALoop) {
  torch::manual_seed(4);
  for (const auto& shape : weight_shapes()) {
    const auto planes = real_planes(shape, /*bits=*/3, torch::kFloat32);
    const auto p = values_of<double>(planes.positive);
    const auto n = values_of<double>(planes.negative);
    std::vector<double> expected(3, 0.0);
    for (size_t i = 0; i < p.size(); ++i) {
      expected[i / static_cast<size_t>(planes.weights())] += p[i] * p[i] + n[i] * n[i];
    }
    const auto squares = plane_squares(planes);
    ASSERT_EQ(squares.scalar_type(), torch::kFloat64);
    for (size_t plane = 0; plane < 3; ++plane) {
      EXPECT_NEAR(squares[static_cast<int64_t>(plane)].item<double>(), expected[plane],
                  1e-5 * expected[plane]);
    }
  }
}

TEST(PlaneKernels, ThreadsDoNotChangeABit) {
  torch::manual_seed(5);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const Shape shape = {37, 61, 9};
    const auto start = real_planes(shape, /*bits=*/4, type);
    Fused alone(start);
    Fused together(start);
    for (int step = 0; step < 3; ++step) {
      const auto gradient = torch::randn(shape, type);
      {
        const ThreadCount one(1);
        alone.step(gradient);
      }
      const ThreadCount two(2);
      together.step(gradient);
    }
    EXPECT_TRUE(same_bits(alone.planes.positive, together.planes.positive));
    EXPECT_TRUE(same_bits(alone.planes.negative, together.planes.negative));
    EXPECT_TRUE(same_bits(alone.momentum_positive, together.momentum_positive));
    EXPECT_TRUE(same_bits(alone.momentum_negative, together.momentum_negative));
    EXPECT_TRUE(same_bits(alone.squares, together.squares));
    const ThreadCount one(1);
    const auto rounded = rounded_plane_value(alone.planes);
    const ThreadCount two(2);
    EXPECT_TRUE(same_bits(rounded, rounded_plane_value(together.planes)));
  }
}

TEST(PlaneKernels, TakesAGradientInAnyLayout) {
  torch::manual_seed(6);
  const Shape shape = {5, 6, 3, 3};
  const auto start = real_planes(shape, /*bits=*/3, torch::kFloat32);
  const auto gradient = torch::randn(shape);
  Fused plain(start);
  Fused last(start);
  plain.step(gradient);
  last.step(gradient.contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(same_bits(plain.planes.positive, last.planes.positive));
  EXPECT_TRUE(same_bits(plain.planes.negative, last.planes.negative));
}

TEST(PlaneKernels, WithoutRateAndPenaltyNothingMoves) {
  torch::manual_seed(7);
  const auto start = real_planes({100}, /*bits=*/3, torch::kFloat32);
  Fused fused(start);
  fused.step(torch::randn({100}), {/*learning_rate=*/0, /*momentum=*/0.9, /*weight_decay=*/0.1,
                                   /*penalty=*/0.1, /*gradient_factor=*/1});
  EXPECT_TRUE(torch::equal(fused.planes.positive, start.positive));
  EXPECT_TRUE(torch::equal(fused.planes.negative, start.negative));
}

TEST(PlaneKernels, PenaltyAloneShrinksEveryPlane) {
  torch::manual_seed(8);
  Fused fused(real_planes({100}, /*bits=*/3, torch::kFloat32));
  const auto before = fused.squares.clone();
  fused.step(torch::zeros({100}), {/*learning_rate=*/0.1, /*momentum=*/0, /*weight_decay=*/0, /*penalty=*/1,
                                   /*gradient_factor=*/1});
  EXPECT_TRUE(fused.squares.lt(before).all().item<bool>());
}

TEST(PlaneKernels, APlaneOfZerosStaysFinite) {
  Fused fused({torch::zeros({2, 5}), torch::zeros({2, 5}), torch::tensor(1.0F)});
  fused.step(torch::zeros({5}));
  EXPECT_EQ(fused.planes.positive.abs().sum().item<float>(), 0.0F);
  EXPECT_EQ(fused.squares.sum().item<double>(), 0.0);
}

TEST(PlaneKernels, AnEmptyTensorIsLeftAlone) {
  Fused fused({torch::zeros({3, 0}), torch::zeros({3, 0}), torch::tensor(1.0F)});
  fused.step(torch::zeros({0}));
  EXPECT_TRUE(torch::equal(fused.squares, torch::zeros({3}, torch::kFloat64)));
  EXPECT_EQ(rounded_plane_value(fused.planes).numel(), 0);
}

TEST(PlaneKernels, ScaleGradientMatchesTheOperations) {
  torch::manual_seed(10);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& shape : weight_shapes()) {
      const auto gradient = torch::randn(shape, type);
      const auto rounded = torch::rand(shape, type);
      const auto expected =
          gradient.to(torch::kFloat64).mul(rounded.to(torch::kFloat64)).sum().item<double>();
      EXPECT_NEAR(scale_gradient(gradient, rounded), expected,
                  (type == torch::kFloat32 ? 1e-5 : 1e-12) * static_cast<double>(1 + gradient.numel()));
    }
  }
}

TEST(PlaneKernels, RoundedValueMatchesTheOperations) {
  torch::manual_seed(9);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& shape : weight_shapes()) {
      for (const int64_t bits : {1, 2, 3, 6, 8, 16}) {
        for (const auto& planes : {real_planes(shape, bits, type), binary_planes(shape, bits, type)}) {
          const auto expected = round_value(plane_value(planes.positive, planes.negative), bits);
          EXPECT_TRUE(torch::equal(rounded_plane_value(planes), expected)) << bits << " bits";
        }
      }
    }
  }
}

}  // namespace
}  // namespace bsq::test
