#include "bsq/quant/norm_act_ste.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/utils.h>

#include <array>
#include <limits>

#include "bsq/quant/activation_ste.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

using Function = ActivationCall::Function;

constexpr std::array<Function, 4> kFunctions = {Function::kIdentity, Function::kRelu, Function::kRelu6,
                                                Function::kPact};

torch::Tensor leaf(const torch::Tensor& tensor, torch::ScalarType type) {
  return tensor.detach().to(type).clone().set_requires_grad(true);
}

/// The inputs of one call in some type, and what came out.
struct Case {
  torch::Tensor x, residual, weight, bias, alpha, running_mean, running_var;
  torch::Tensor value;
  double range = 0;

  std::vector<torch::Tensor> gradients() const {
    std::vector<torch::Tensor> result = {x.grad(), weight.grad(), bias.grad()};
    if (residual.defined()) {
      result.push_back(residual.grad());
    }
    if (alpha.defined()) {
      result.push_back(alpha.grad());
    }
    return result;
  }
};

Case random_case(at::IntArrayRef shape, bool has_residual, Function function) {
  Case result;
  const int64_t channels = shape[1];
  result.x = torch::randn(shape).mul_(3).add_(torch::randn({1, channels, 1, 1}));
  result.residual = has_residual ? torch::randn(shape) : torch::Tensor();
  result.weight = torch::randn({channels}).mul_(2);
  result.bias = torch::randn({channels});
  result.alpha = function == Function::kPact ? torch::tensor(1.5F) : torch::Tensor();
  result.running_mean = torch::randn({channels});
  result.running_var = torch::rand({channels}).add_(0.5);
  return result;
}

/// The same numbers as leaves of a graph: x and residual in `type`, the rest in `parameter_type`.
Case as(const Case& from, torch::ScalarType type, torch::ScalarType parameter_type) {
  Case result;
  result.x = leaf(from.x, type);
  result.residual = from.residual.defined() ? leaf(from.residual, type) : torch::Tensor();
  result.weight = leaf(from.weight, parameter_type);
  result.bias = leaf(from.bias, parameter_type);
  result.alpha = from.alpha.defined() ? leaf(from.alpha, parameter_type) : torch::Tensor();
  result.running_mean = from.running_mean.to(parameter_type).clone();
  result.running_var = from.running_var.to(parameter_type).clone();
  return result;
}

void run_fused(Case& inputs, Function function, int64_t bits, bool is_training) {
  ActivationCall call;
  call.function = function;
  call.bits = bits;
  call.alpha = inputs.alpha;
  const auto result = norm_act_ste(
      inputs.x, inputs.residual,
      {inputs.weight, inputs.bias, inputs.running_mean, inputs.running_var, 0.1, 1e-5, is_training}, call);
  inputs.value = result.value;
  inputs.range = result.range;
}

// Operation by operation, in the inputs' type.
void run_slowly(Case& inputs, Function function, int64_t bits, bool is_training) {
  auto y = torch::batch_norm(inputs.x, inputs.weight, inputs.bias, inputs.running_mean, inputs.running_var,
                             is_training, /*momentum=*/0.1, /*eps=*/1e-5, /*cudnn_enabled=*/false);
  if (inputs.residual.defined()) {
    y = y + inputs.residual;
  }
  switch (function) {
    case Function::kIdentity:
      break;
    case Function::kRelu:
      y = torch::relu(y);
      break;
    case Function::kRelu6:
      y = torch::relu6(y);
      break;
    case Function::kPact:
      y = pact_ste(y, inputs.alpha);
      break;
  }
  const auto range = y.detach().max();
  inputs.range = bits > 0 ? range.item<double>() : 0;
  inputs.value = bits > 0 ? quantize_unsigned_ste(y, bits, range) : y;
}

// One rounding flipped by the last digit of y moves a value by a whole step; what else differs is an error.
void expect_same_values(const torch::Tensor& ours, const torch::Tensor& theirs, double tolerance,
                        double step) {
  const auto distance = (ours.detach().to(torch::kFloat64) - theirs.detach()).abs();
  const auto off = distance.gt(tolerance * (1 + theirs.detach().abs()));
  const auto flipped = distance.sub(step).abs().le(tolerance * (1 + theirs.detach().abs()));
  EXPECT_TRUE(off.logical_and(flipped.logical_not()).sum().item<int64_t>() == 0) << distance.max();
  EXPECT_LE(off.sum().item<double>(), step > 0 ? 1 + 50 * tolerance * static_cast<double>(off.numel()) : 0);
}

double relative_distance(const torch::Tensor& ours, const torch::Tensor& theirs) {
  const auto norm = theirs.norm().item<double>();
  return (ours.to(torch::kFloat64) - theirs).norm().item<double>() / std::max(norm, 1e-3);
}

void compare(const Case& inputs, torch::ScalarType type, Function function, int64_t bits, bool is_training) {
  // The slow one starts from the numbers as the fast one sees them.
  Case rounded = inputs;
  rounded.x = inputs.x.to(type);
  rounded.residual = inputs.residual.defined() ? inputs.residual.to(type) : torch::Tensor();
  auto ours = as(rounded, type, torch::kFloat32);
  auto theirs = as(rounded, torch::kFloat64, torch::kFloat64);
  run_fused(ours, function, bits, is_training);
  run_slowly(theirs, function, bits, is_training);
  const double tolerance = type == torch::kFloat32 ? 2e-5 : 1.0 / 128;
  const double levels = std::ldexp(1.0, static_cast<int>(bits)) - 1;
  EXPECT_EQ(ours.value.scalar_type(), type);
  EXPECT_NEAR(ours.range, theirs.range, 2e-5 * (1 + theirs.range));
  expect_same_values(ours.value, theirs.value, tolerance, bits > 0 ? theirs.range / levels : 0);
  EXPECT_LT(relative_distance(ours.running_mean, theirs.running_mean), 1e-6);
  EXPECT_LT(relative_distance(ours.running_var, theirs.running_var), 1e-6);
  const auto gradient = torch::randn(inputs.x.sizes()).to(type);
  ours.value.backward(gradient);
  theirs.value.backward(gradient.to(torch::kFloat64));
  const auto expected = theirs.gradients();
  const auto found = ours.gradients();
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_LT(relative_distance(found[i], expected[i]), type == torch::kFloat32 ? 1e-4 : 1e-2)
        << "gradient " << i;
  }
}

// Both results are read, as at the fork before a residual block; or the second alone.
void compare_fork(const Case& inputs, torch::ScalarType type, Function function, bool reads_first) {
  auto fork = as(inputs, type, torch::kFloat32);
  auto sum = as(inputs, type, torch::kFloat32);
  ActivationCall call;
  call.function = function;
  const auto run = [&](Case& c) {
    call.alpha = c.alpha;
    return norm_act_ste(c.x, c.residual, {c.weight, c.bias, c.running_mean, c.running_var, 0.1, 1e-5, true},
                        call);
  };
  const auto ours = run(fork);
  const auto theirs = run(sum);
  EXPECT_TRUE(torch::equal(ours.value, ours.again));
  // Whole numbers, so that the sum of both is exact in bfloat16 too.
  const auto first = torch::randint(-9, 9, inputs.x.sizes()).to(type);
  const auto second = torch::randint(-9, 9, inputs.x.sizes()).to(type);
  if (reads_first) {
    torch::autograd::backward({ours.value, ours.again}, {first, second});
    theirs.value.backward(first + second);
  } else {
    ours.again.backward(second);
    theirs.value.backward(second);
  }
  const auto expected = sum.gradients();
  const auto found = fork.gradients();
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_LT(relative_distance(found[i], expected[i].to(torch::kFloat64)),
              type == torch::kFloat32 ? 1e-6 : 1e-2)
        << "gradient " << i;
  }
}

TEST(NormActSte, TheGradientsOfBothReadersAreSummed) {
  torch::manual_seed(4);
  for (const auto& shape : {std::vector<int64_t>{3, 17, 5, 4}, std::vector<int64_t>{2, 64, 8, 8}}) {
    for (const auto function : kFunctions) {
      for (const bool has_residual : {false, true}) {
        const auto inputs = random_case(shape, has_residual, function);
        for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
          compare_fork(inputs, type, function, /*reads_first=*/true);
          compare_fork(inputs, type, function, /*reads_first=*/false);
        }
      }
    }
  }
}

TEST(NormActSte, EqualsFloat64OperationByOperation) {
  torch::manual_seed(1);
  const std::vector<std::vector<int64_t>> shapes = {{2, 1, 3, 5},    {1, 16, 7, 7},  {3, 17, 5, 4},
                                                    {4, 64, 8, 8},   {2, 3, 32, 32}, {1, 1, 1, 130},
                                                    {8, 16, 32, 32}, {5, 100, 2, 3}};
  for (const auto& shape : shapes) {
    for (const auto function : kFunctions) {
      for (const bool has_residual : {false, true}) {
        const auto inputs = random_case(shape, has_residual, function);
        const bool is_quantized = function == Function::kRelu6 || function == Function::kPact;
        for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
          for (const bool is_training : {true, false}) {
            SCOPED_TRACE(c10::str(at::IntArrayRef(shape), " function ", static_cast<int>(function),
                                  " residual ", has_residual, " ", type, " training ", is_training));
            compare(inputs, type, function, /*bits=*/0, is_training);
            if (is_quantized) {
              compare(inputs, type, function, function == Function::kPact ? 2 : 4, is_training);
            }
          }
        }
      }
    }
  }
}

TEST(NormActSte, TakesAnyLayout) {
  torch::manual_seed(2);
  const auto inputs = random_case({3, 6, 9, 10}, /*has_residual=*/true, Function::kRelu6);
  const auto run = [&](const torch::Tensor& x, const torch::Tensor& residual) {
    Case copy = as(inputs, torch::kFloat32, torch::kFloat32);
    copy.x = x;
    copy.residual = residual;
    run_fused(copy, Function::kRelu6, /*bits=*/4, /*is_training=*/true);
    return copy.value;
  };
  const auto expected = run(inputs.x, inputs.residual);
  EXPECT_TRUE(expected.is_contiguous(torch::MemoryFormat::ChannelsLast));
  const auto last = inputs.x.contiguous(torch::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(torch::equal(run(last, inputs.residual), expected));
  const auto strided = torch::stack({inputs.x, inputs.x}, /*dim=*/4).select(/*dim=*/4, /*index=*/1);
  EXPECT_TRUE(
      torch::equal(run(strided, inputs.residual.transpose(2, 3).contiguous().transpose(2, 3)), expected));
}

TEST(NormActSte, StoredRangeSaturates) {
  torch::manual_seed(3);
  auto inputs = as(random_case({2, 16, 8, 8}, /*has_residual=*/false, Function::kRelu6), torch::kFloat32,
                   torch::kFloat32);
  ActivationCall call;
  call.function = Function::kRelu6;
  call.bits = 4;
  call.range = 1.5;
  const auto result = norm_act_ste(
      inputs.x, {}, {inputs.weight, inputs.bias, inputs.running_mean, inputs.running_var, 0.1, 1e-5, false},
      call);
  EXPECT_DOUBLE_EQ(result.range, 1.5);
  EXPECT_FLOAT_EQ(result.value.max().item<float>(), 1.5F);
  const auto steps = result.value.detach().mul(10);
  EXPECT_TRUE(torch::allclose(steps, steps.round(), 1e-4, 1e-4));
}

// The running range behind a layer without bits decays to the smallest number there is.
TEST(NormActSte, AStoredRangeThatVanishesGivesZeros) {
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    const auto inputs =
        as(random_case({2, 16, 8, 8}, /*has_residual=*/false, Function::kRelu6), type, torch::kFloat32);
    ActivationCall call;
    call.function = Function::kRelu6;
    call.bits = 4;
    for (const double range : {0.0, static_cast<double>(std::numeric_limits<float>::denorm_min()), 1e-38}) {
      call.range = range;
      const auto result = norm_act_ste(
          inputs.x, {},
          {inputs.weight, inputs.bias, inputs.running_mean, inputs.running_var, 0.1, 1e-5, false}, call);
      EXPECT_TRUE(torch::equal(result.value, torch::zeros_like(result.value))) << range;
    }
  }
}

TEST(NormActSte, NothingPositiveGivesZeros) {
  auto inputs = as(random_case({2, 4, 3, 3}, /*has_residual=*/false, Function::kRelu6), torch::kFloat32,
                   torch::kFloat32);
  inputs.bias = torch::full({4}, -100.0F);
  run_fused(inputs, Function::kRelu6, /*bits=*/4, /*is_training=*/true);
  EXPECT_EQ(inputs.range, 0);
  EXPECT_EQ(inputs.value.abs().max().item<float>(), 0);
}

TEST(NormActSte, ALargeMeanCostsNoDigits) {
  torch::manual_seed(4);
  Case inputs = random_case({16, 3, 16, 16}, /*has_residual=*/false, Function::kIdentity);
  inputs.x.add_(1000);
  auto ours = as(inputs, torch::kFloat32, torch::kFloat32);
  auto theirs = as(inputs, torch::kFloat64, torch::kFloat64);
  run_fused(ours, Function::kIdentity, /*bits=*/0, /*is_training=*/true);
  run_slowly(theirs, Function::kIdentity, /*bits=*/0, /*is_training=*/true);
  EXPECT_LT(relative_distance(ours.running_var, theirs.running_var), 1e-6);
}

TEST(NormActSte, ThreadsDoNotChangeABit) {
  torch::manual_seed(5);
  const auto inputs = random_case({16, 16, 32, 32}, /*has_residual=*/true, Function::kPact);
  const int before = torch::get_num_threads();
  std::vector<std::vector<torch::Tensor>> results;
  for (const int threads : {1, 2}) {
    torch::set_num_threads(threads);
    auto copy = as(inputs, torch::kBFloat16, torch::kFloat32);
    run_fused(copy, Function::kPact, /*bits=*/2, /*is_training=*/true);
    copy.value.backward(inputs.residual.to(torch::kBFloat16));
    auto tensors = copy.gradients();
    tensors.insert(tensors.end(), {copy.value.detach(), copy.running_mean, copy.running_var});
    results.push_back(tensors);
  }
  torch::set_num_threads(before);
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_TRUE(same_bits(results[0][i], results[1][i])) << i;
  }
}

TEST(NormActSte, NanStaysNan) {
  auto inputs = as(random_case({2, 16, 4, 4}, /*has_residual=*/false, Function::kRelu6), torch::kBFloat16,
                   torch::kFloat32);
  {
    torch::NoGradGuard no_grad;
    inputs.x[1][3][2][2] = std::numeric_limits<float>::quiet_NaN();
  }
  run_fused(inputs, Function::kRelu6, /*bits=*/4, /*is_training=*/false);
  EXPECT_EQ(inputs.value.isnan().sum().item<int64_t>(), 1);
}

}  // namespace
}  // namespace bsq::test
