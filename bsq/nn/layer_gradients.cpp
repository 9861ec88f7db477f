#include "bsq/nn/layer_gradients.h"

#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <tuple>
#include <utility>
#include <vector>

#include "bsq/nn/gradient_holder.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
// Autograd functions take no undefined tensor.
using MaybeTensor = c10::optional<torch::Tensor>;

/// The gradients of input and of weight and bias, as the quantizer wants them.
struct Gradients {
  torch::Tensor of_input, of_weight;

  Gradients(const GradientQuantizer& quantizer, const torch::Tensor& arrived, bool needs_input) {
    const bool is_needed = needs_input || quantizer.is_for_weights();
    of_input = is_needed ? quantizer.quantize(arrived) : arrived;
    of_weight = quantizer.is_for_weights() ? of_input : arrived;
  }
};

MaybeTensor given(const torch::Tensor& bias) { return bias.defined() ? MaybeTensor(bias) : c10::nullopt; }

// What autograd itself would ask of a layer; `bias` may be absent.
std::array<bool, 3> needed(const torch::Tensor& input, const torch::Tensor& weight, const MaybeTensor& bias) {
  return {input.requires_grad(), weight.requires_grad(), bias.has_value() && bias->requires_grad()};
}

void save(AutogradContext* context, const SharedGradientQuantizer& gradient, const torch::Tensor& input,
          const torch::Tensor& weight, const MaybeTensor& bias) {
  context->save_for_backward({input, weight});
  context->saved_data["gradient"] = held(gradient);
  const auto mask = needed(input, weight, bias);
  context->saved_data["input"] = mask[0];
  context->saved_data["weight"] = mask[1];
  context->saved_data["bias"] = mask[2];
}

std::array<bool, 3> mask_of(AutogradContext* context) {
  return {context->saved_data["input"].toBool(), context->saved_data["weight"].toBool(),
          context->saved_data["bias"].toBool()};
}

std::vector<int64_t> list_of(const std::array<int64_t, 2>& numbers) { return {numbers[0], numbers[1]}; }

struct Convolution : torch::autograd::Function<Convolution> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& input,
                               const torch::Tensor& weight, const MaybeTensor& bias,
                               const SharedGradientQuantizer& gradient, const ConvolutionNumbers& numbers) {
    save(context, gradient, input, weight, bias);
    context->saved_data["stride"] = list_of(numbers.stride);
    context->saved_data["padding"] = list_of(numbers.padding);
    context->saved_data["dilation"] = list_of(numbers.dilation);
    context->saved_data["groups"] = numbers.groups;
    return torch::conv2d(input, weight, bias, numbers.stride, numbers.padding, numbers.dilation,
                         numbers.groups);
  }

  static variable_list backward(AutogradContext* context, variable_list arrived) {
    const auto mask = mask_of(context);
    const auto quantizer = quantizer_in(context->saved_data["gradient"]);
    const Gradients gradients(*quantizer, arrived[0], mask[0]);
    torch::Tensor of_input, of_weight, of_bias;
    if (gradients.of_input.is_same(gradients.of_weight)) {
      std::tie(of_input, of_weight, of_bias) = part(context, gradients.of_input, mask);
    } else {
      of_input = std::get<0>(part(context, gradients.of_input, {mask[0], false, false}));
      std::tie(std::ignore, of_weight, of_bias) =
          part(context, gradients.of_weight, {false, mask[1], mask[2]});
    }
    return {of_input, of_weight, of_bias, torch::Tensor(), torch::Tensor()};
  }

 private:
  static std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> part(AutogradContext* context,
                                                                      const torch::Tensor& gradient,
                                                                      const std::array<bool, 3>& mask) {
    const auto saved = context->get_saved_variables();
    const auto numbers = [&](const char* name) { return context->saved_data[name].toIntVector(); };
    const std::vector<int64_t> bias_sizes = {saved[1].size(0)}, no_padding = {0, 0};
    return at::convolution_backward(gradient, saved[0], saved[1], at::IntArrayRef(bias_sizes),
                                    numbers("stride"), numbers("padding"), numbers("dilation"),
                                    /*transposed=*/false, no_padding, context->saved_data["groups"].toInt(),
                                    mask);
  }
};

struct Linear : torch::autograd::Function<Linear> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& input,
                               const torch::Tensor& weight, const MaybeTensor& bias,
                               const SharedGradientQuantizer& gradient) {
    save(context, gradient, input, weight, bias);
    return torch::linear(input, weight, bias);
  }

  static variable_list backward(AutogradContext* context, variable_list arrived) {
    const auto mask = mask_of(context);
    const auto saved = context->get_saved_variables();
    const Gradients gradients(*quantizer_in(context->saved_data["gradient"]), arrived[0], mask[0]);
    const auto rows = gradients.of_weight.reshape({-1, gradients.of_weight.size(-1)});
    const auto inputs = saved[0].reshape({-1, saved[0].size(-1)});
    return {mask[0] ? gradients.of_input.matmul(saved[1]) : torch::Tensor(),
            mask[1] ? rows.t().mm(inputs) : torch::Tensor(), mask[2] ? rows.sum(0) : torch::Tensor(),
            torch::Tensor()};
  }
};

}  // namespace

torch::Tensor conv2d_with(const SharedGradientQuantizer& gradient, const torch::Tensor& input,
                          const torch::Tensor& weight, const torch::Tensor& bias,
                          const ConvolutionNumbers& numbers) {
  return Convolution::apply(input, weight, given(bias), gradient, numbers);
}

torch::Tensor linear_with(const SharedGradientQuantizer& gradient, const torch::Tensor& input,
                          const torch::Tensor& weight, const torch::Tensor& bias) {
  return Linear::apply(input, weight, given(bias), gradient);
}

}  // namespace bsq
