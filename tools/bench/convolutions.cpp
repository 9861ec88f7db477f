#include "tools/bench/convolutions.h"

#include <torch/utils.h>

#include <array>

namespace bsq::bench {
namespace {

struct Geometry {
  int64_t in, out, kernel, stride, side;
};

ConvolutionCall call_of(const Geometry& shape, const StepSetting& setting, torch::ScalarType type) {
  const auto tensor = [&](at::IntArrayRef sizes) {
    return torch::randn(sizes).to(torch::Device(setting.device), type);
  };
  const int64_t out_side = shape.side / shape.stride;
  const auto channels_last = torch::MemoryFormat::ChannelsLast;
  return {tensor({setting.batch, shape.in, shape.side, shape.side}).contiguous(channels_last),
          tensor({shape.out, shape.in, shape.kernel, shape.kernel}),
          tensor({setting.batch, shape.out, out_side, out_side}).contiguous(channels_last),
          shape.stride,
          shape.kernel / 2,
          /*needs_input_gradient=*/shape.in > 3};
}

std::vector<Geometry> geometries(int64_t depth) {
  std::vector<Geometry> all = {{3, 16, 3, 1, 32}};
  int64_t in = 16;
  int64_t side = 32;
  for (const int64_t out : {16, 32, 64}) {
    for (int64_t block = 0; block < (depth - 2) / 6; ++block) {
      const int64_t stride = in == out ? 1 : 2;
      all.push_back({in, out, 3, stride, side});
      if (stride == 2) {
        all.push_back({in, out, 1, stride, side});
      }
      side /= stride;
      all.push_back({out, out, 3, 1, side});
      in = out;
    }
  }
  return all;
}

}  // namespace

std::vector<ConvolutionCall> convolutions(const StepSetting& setting, torch::ScalarType type) {
  std::vector<ConvolutionCall> calls;
  for (const auto& shape : geometries(setting.depth)) {
    calls.push_back(call_of(shape, setting, type));
  }
  return calls;
}

void run_convolutions(const std::vector<ConvolutionCall>& calls) {
  torch::NoGradGuard no_grad;
  for (const auto& call : calls) {
    const std::array<int64_t, 2> stride = {call.stride, call.stride};
    const std::array<int64_t, 2> padding = {call.padding, call.padding};
    torch::conv2d(call.input, call.weight, {}, stride, padding);
    at::convolution_backward(call.output_gradient, call.input, call.weight, /*bias_sizes=*/c10::nullopt,
                             stride, padding, /*dilation=*/{1, 1}, /*transposed=*/false,
                             /*output_padding=*/{0, 0},
                             /*groups=*/1, {call.needs_input_gradient, true, false});
  }
}

}  // namespace bsq::bench
