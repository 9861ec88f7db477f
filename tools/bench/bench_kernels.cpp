// Each fused kernel alone, on the shapes of ResNet-20 at batch 128: bytes moved a second, and the share of
// what a copy of the same size moves in the same run.

#include <benchmark/benchmark.h>
#include <torch/types.h>

#include <map>
#include <string>

#include "bsq/kernels/activation_kernels.h"
#include "bsq/kernels/norm_act_kernels.h"
#include "bsq/methods/bsq/conversion.h"
#include "bsq/methods/bsq/plane_kernels.h"
#include "tools/bench/share_reporter.h"
#include "tools/bench/threads.h"

namespace bsq::bench {
namespace {

constexpr int64_t kBatch = 128;

struct Shape {
  int64_t channels, side;
};

torch::Tensor activations(const Shape& shape, torch::ScalarType type) {
  return torch::randn({kBatch, shape.channels, shape.side, shape.side})
      .to(type)
      .contiguous(torch::MemoryFormat::ChannelsLast);
}

norm_act::ChannelAffine identity(int64_t channels) {
  const auto count = static_cast<size_t>(channels);
  return {std::vector<float>(count, 1.0F), std::vector<float>(count, 0.0F)};
}

// relu6 at 4 bits
norm_act::Activation quantized_relu6() { return {0, 6, false, 15}; }

void count_bytes(benchmark::State& state, int64_t bytes) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * bytes);
}

void copy(benchmark::State& state, const Shape& shape, torch::ScalarType type) {
  const auto x = activations(shape, type);
  auto y = torch::empty_like(x);
  for (auto _ : state) {
    y.copy_(x);
  }
  count_bytes(state, static_cast<int64_t>(2 * x.nbytes()));
}

void statistics(benchmark::State& state, const Shape& shape, torch::ScalarType type) {
  const auto x = activations(shape, type);
  for (auto _ : state) {
    benchmark::DoNotOptimize(norm_act::channel_statistics(x));
  }
  count_bytes(state, static_cast<int64_t>(x.nbytes()));
}

void apply(benchmark::State& state, const Shape& shape, torch::ScalarType type, bool has_residual) {
  const auto x = activations(shape, type);
  const auto residual = has_residual ? activations(shape, type) : torch::Tensor();
  const auto affine = identity(shape.channels);
  for (auto _ : state) {
    benchmark::DoNotOptimize(norm_act::apply(x, residual, affine, quantized_relu6(), /*range=*/6));
  }
  count_bytes(state, static_cast<int64_t>((has_residual ? 3 : 2) * x.nbytes()));
}

void gradient_sums(benchmark::State& state, const Shape& shape, torch::ScalarType type, bool has_residual) {
  const auto x = activations(shape, type);
  const auto gradient = activations(shape, type);
  const auto residual = has_residual ? activations(shape, type) : torch::Tensor();
  const auto affine = identity(shape.channels);
  for (auto _ : state) {
    benchmark::DoNotOptimize(norm_act::gradient_sums(gradient, /*second=*/{}, x, residual, affine,
                                                     affine.shift, quantized_relu6()));
  }
  count_bytes(state, static_cast<int64_t>((has_residual ? 4 : 2) * x.nbytes()));
}

void input_gradient(benchmark::State& state, const Shape& shape, torch::ScalarType type, bool is_passed) {
  const auto x = activations(shape, type);
  const auto gradient = activations(shape, type);
  const auto affine = identity(shape.channels);
  const norm_act::InputGradientNumbers numbers{affine.shift, affine.slope, affine.shift, affine.shift};
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        norm_act::input_gradient(gradient, is_passed, x, affine, numbers, quantized_relu6()));
  }
  count_bytes(state, static_cast<int64_t>(3 * x.nbytes()));
}

void quantize(benchmark::State& state, const Shape& shape, torch::ScalarType type) {
  const auto x = activations(shape, type).abs();
  for (auto _ : state) {
    benchmark::DoNotOptimize(quantize_unsigned_kernel(x, /*levels=*/15, /*range=*/6));
  }
  count_bytes(state, static_cast<int64_t>(2 * x.nbytes()));
}

// All planes of a 64 x 64 x 3 x 3 layer, read and written with their momentum.
void step(benchmark::State& state, int64_t bits) {
  auto planes = to_bit_planes(torch::randn({64, 64, 3, 3}), bits);
  auto positive = torch::zeros_like(planes.positive);
  auto negative = torch::zeros_like(planes.negative);
  auto squares = plane_squares(planes);
  const auto gradient = torch::randn({64, 64, 3, 3});
  for (auto _ : state) {
    step_planes(planes, positive, negative, gradient, {1e-3, 0.9, 1e-4, 1e-3, planes.scale.item<double>()},
                squares);
  }
  count_bytes(state, static_cast<int64_t>(8 * positive.nbytes() + gradient.nbytes()));
}

void value(benchmark::State& state, int64_t bits) {
  const auto planes = to_bit_planes(torch::randn({64, 64, 3, 3}), bits);
  for (auto _ : state) {
    benchmark::DoNotOptimize(rounded_plane_value(planes));
  }
  count_bytes(state, static_cast<int64_t>(2 * planes.positive.nbytes() + planes.positive[0].nbytes()));
}

template <typename Run, typename... Arguments>
void add(const std::string& name, Run run, Arguments... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    run(state, arguments...);
  })->UseRealTime();
}

void add_all() {
  const std::map<std::string, Shape> shapes = {{"16x32x32", {16, 32}}, {"64x8x8", {64, 8}}};
  const std::map<std::string, torch::ScalarType> types = {{"fp32", torch::kFloat32},
                                                          {"bf16", torch::kBFloat16}};
  for (const auto& [type_name, type] : types) {
    for (const auto& [shape_name, shape] : shapes) {
      const std::string suffix = "/" + type_name + "/" + shape_name;
      add("copy" + suffix, copy, shape, type);
      add("channel_statistics" + suffix, statistics, shape, type);
      add("apply" + suffix, apply, shape, type, false);
      add("apply_residual" + suffix, apply, shape, type, true);
      add("gradient_sums" + suffix, gradient_sums, shape, type, false);
      add("gradient_sums_residual" + suffix, gradient_sums, shape, type, true);
      add("input_gradient" + suffix, input_gradient, shape, type, false);
      add("input_gradient_passed" + suffix, input_gradient, shape, type, true);
      if (type == torch::kFloat32) {
        add("quantize_unsigned" + suffix, quantize, shape, type);
      }
    }
  }
  for (const int64_t bits : {8, 4, 2}) {
    add("step_planes/" + std::to_string(bits) + "bits", step, bits);
    add("rounded_plane_value/" + std::to_string(bits) + "bits", value, bits);
  }
}

}  // namespace
}  // namespace bsq::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  bsq::bench::set_threads_from(argc, argv);
  bsq::bench::add_all();
  bsq::bench::ShareReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return 0;
}
