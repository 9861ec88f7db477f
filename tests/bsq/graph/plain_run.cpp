#include "tests/bsq/graph/plain_run.h"

namespace bsq::test {
namespace {

torch::Tensor parameter_of(const op::Layer& layer, const char* name, torch::ScalarType type) {
  const auto parameters = layer.module->named_parameters();
  const auto* found = parameters.find(name);
  return found == nullptr ? torch::Tensor() : found->to(type);
}

// In the layout that the fused operation gives: libtorch's bfloat16 passes are less exact in it.
torch::Tensor normalized(const op::Norm& norm, const torch::Tensor& x) {
  const auto& module = *norm.module;
  return torch::batch_norm(x.to(module.weight.scalar_type()), module.weight, module.bias, module.running_mean,
                           module.running_var, module.is_training(), /*momentum=*/0.1, module.options.eps(),
                           /*cudnn_enabled=*/false)
      .to(x.scalar_type())
      .contiguous(torch::MemoryFormat::ChannelsLast);
}

// Of bfloat16, for which libtorch lacks some backward passes: float32.
torch::Tensor wide(const torch::Tensor& x) {
  return x.scalar_type() == torch::kBFloat16 ? x.to(torch::kFloat32) : x;
}

torch::Tensor compute(const Node& node, const std::vector<torch::Tensor>& inputs) {
  const auto& x = inputs.empty() ? torch::Tensor() : inputs[0];
  const auto type = inputs.empty() ? torch::kFloat32 : x.scalar_type();
  return std::visit(
      Overloaded{[&](const op::Input&) { return torch::Tensor(); },
                 [&](const op::Conv& conv) {
                   return torch::conv2d(x, parameter_of(conv.layer, "weight", type),
                                        parameter_of(conv.layer, "bias", type), conv.window.stride.sides(),
                                        conv.window.padding.sides(), /*dilation=*/1, conv.groups);
                 },
                 [&](const op::Linear& linear) {
                   return torch::linear(x, parameter_of(linear.layer, "weight", type),
                                        parameter_of(linear.layer, "bias", type));
                 },
                 [&](const op::Norm& norm) { return normalized(norm, x); },
                 [&](const op::Relu&) { return torch::relu(x); },
                 [&](const op::Activation& activation) {
                   return ActivationQuantizer(activation.module)->forward(wide(x)).to(type);
                 },
                 [&](const op::Add&) { return inputs[0] + inputs[1]; },
                 [&](const op::Concat&) { return torch::cat(inputs, /*dim=*/1); },
                 [&](const op::GlobalAveragePool&) { return wide(x).flatten(2).mean(2); },
                 [&](const op::AveragePool& pool) {
                   return torch::avg_pool2d(x, pool.window.kernel.sides(), pool.window.stride.sides(),
                                            pool.window.padding.sides());
                 },
                 [&](const op::MaxPool& pool) {
                   return torch::max_pool2d(x, pool.window.kernel.sides(), pool.window.stride.sides(),
                                            pool.window.padding.sides());
                 },
                 [&](const op::Flatten&) { return x.flatten(1); }, [&](const op::Dropout&) { return x; },
                 [&](const op::PadChannels& pad) {
                   const auto zeros = [&](int64_t channels) {
                     return torch::zeros({x.size(0), channels, x.size(2), x.size(3)}, x.options());
                   };
                   return torch::cat({zeros(pad.before), x, zeros(pad.after)}, /*dim=*/1);
                 }},
      node.operation);
}

}  // namespace

torch::Tensor run_plainly(const Program& program, const torch::Tensor& images) {
  std::vector<torch::Tensor> values = {images};
  for (size_t i = 1; i < program.nodes().size(); ++i) {
    std::vector<torch::Tensor> inputs;
    for (const int64_t input : program.nodes()[i].inputs) {
      inputs.push_back(values[input]);
    }
    values.push_back(compute(program.nodes()[i], inputs));
  }
  return values[program.output()];
}

}  // namespace bsq::test
