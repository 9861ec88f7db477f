#include "bsq/io/onnx/onnx_export.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <vector>

#include "bsq/graph/conv_norms.h"
#include "bsq/graph/norm_fusion.h"
#include "bsq/io/onnx/quant_writer.h"
#include "bsq/nn/network_state.h"

namespace bsq {
namespace {

std::vector<int64_t> sides_of(const Extent& extent) { return {extent.height, extent.width}; }

// What ONNX pads in front of height and width, then behind them.
std::vector<int64_t> pads_of(const Extent& padding) {
  return {padding.height, padding.width, padding.height, padding.width};
}

using Attributes = std::vector<OnnxAttribute>;
using Grid = ActivationFunction::Grid;

// 255 * 64 * 2 and, of activations below 8 bits, 127 * 127 * 2 fit 16 bits, in which CPUs without VNNI add
// two products.
constexpr int64_t kFullLimit = 127;
constexpr int64_t kByteLimit = 64;

/// A value of the program in the model.
struct Written {
  std::string name;
  bool is_nonnegative = false;
  std::optional<Grid> grid = {};  ///< of a value that a DequantizeLinear makes
};

/// Walks a program and adds its nodes to a model.
class Walker {
 public:
  Walker(Network& network, const OnnxExportOptions& options);
  std::string run(const std::map<std::string, std::string>& metadata);

 private:
  const StoredTensor* find(const std::string& name) const;
  Written write(const Node& node);
  Written write(const Node& node, const op::Conv& conv);
  Written write(const Node& node, const op::Linear& linear);
  Written write(const Node& node, const op::Norm& norm);
  Written write(const Node& node, const op::Activation& activation);
  Written write(const Node& node, const op::PadChannels& pad);
  Written layer(const Node& node, const char* operation, const Attributes& attributes,
                const torch::IntArrayRef& bias_shape);
  std::string integer_bias(const std::string& name, const torch::Tensor& bias, const IntegerWeight& weight,
                           const Grid& input);
  Written on_grid(const std::string& name, const Written& x, Grid grid);
  Written pool(const Node& node, const char* operation, const Window& window, Attributes attributes);
  Written unary(const Node& node, const char* operation, const Attributes& attributes = {});

  const Written& input(const Node& node, size_t index = 0) const {
    return values_[static_cast<size_t>(node.inputs[index])];
  }
  std::string constant(const std::string& name, const torch::Tensor& values) {
    return model_.constant(name, values, OnnxType::kFloat);
  }
  bool is_nonnegative(const Node& node) const {
    return std::all_of(node.inputs.begin(), node.inputs.end(),
                       [this](int64_t input) { return values_[static_cast<size_t>(input)].is_nonnegative; });
  }

  const Program& program_;
  const OnnxExportOptions& options_;
  OnnxModel model_;
  std::unique_ptr<QuantWriter> writer_;
  std::set<std::string> folded_;  ///< paths of norms
  NetworkState state_;
  std::vector<Written> values_;
};

std::unique_ptr<QuantWriter> writer_of(OnnxModel& model, const OnnxExportOptions& options) {
  return options.form == OnnxExportOptions::Form::kQcdq ? qcdq_writer(model, options.is_integer)
                                                        : qonnx_writer(model);
}

Walker::Walker(Network& network, const OnnxExportOptions& options)
    : program_(exported_program(network)),
      options_(options),
      model_(network.description().architecture, options.opset),
      writer_(writer_of(model_, options)) {
  auto state = codes_of_network(network);
  for (const auto& [name, stored] : state) {
    if (stored.offset.defined()) {
      integer_weight(name, stored);  // says why it cannot be
    }
  }
  const auto pairs = foldable_norms(program_);
  for (const auto& pair : pairs) {
    folded_.insert(pair.norm_path);
  }
  state_ = fuse_norms(pairs, state);
}

const StoredTensor* Walker::find(const std::string& name) const {
  const auto found =
      std::find_if(state_.begin(), state_.end(), [&](const auto& e) { return e.first == name; });
  return found == state_.end() ? nullptr : &found->second;
}

torch::Tensor float_values(const StoredTensor& stored) {
  if (stored.encoding == Encoding::kFloat) {
    return stored.value;
  }
  Codes codes;
  codes.integers = stored.value;
  codes.scale = stored.scale;
  codes.format = stored.format;
  return value_of(codes);
}

std::string Walker::integer_bias(const std::string& name, const torch::Tensor& bias,
                                 const IntegerWeight& weight, const Grid& input) {
  const auto scale =
      weight.scale.to(torch::kFloat64) * static_cast<double>(static_cast<float>(input.value_step));
  const auto integers = bias.to(torch::kFloat64).div(scale).round();
  if (integers.abs().max().item<double>() > static_cast<double>(limits_of(OnnxType::kInt32).second)) {
    throw std::invalid_argument(name + ": too large for int32 in units of " +
                                std::to_string(scale.abs().min().item<double>()));
  }
  const auto one_each = scale.expand_as(bias).to(torch::kFloat32);
  const auto stored = model_.constant(name + "_integers", integers, OnnxType::kInt32);
  const auto zero = model_.constant(name + "_zero_point", torch::zeros_like(integers), OnnxType::kInt32);
  return model_.node("DequantizeLinear", name, {stored, constant(name + "_scale", one_each), zero},
                     {{"axis", int64_t{0}}});
}

Written Walker::layer(const Node& node, const char* operation, const Attributes& attributes,
                      const torch::IntArrayRef& bias_shape) {
  const auto name = node.path + ".weight";
  const auto& x = input(node);
  const auto& stored = *find(name);
  const auto* stored_bias = find(node.path + ".bias");
  const auto bias = stored_bias == nullptr ? torch::Tensor() : float_values(*stored_bias);
  const bool has_integers = stored.encoding == Encoding::kCodes;
  const bool is_integer = options_.is_integer && has_integers && x.grid;
  std::vector<std::string> inputs = {x.name};
  if (has_integers) {
    auto weight = integer_weight(name, stored);
    if (is_integer) {
      const bool is_byte = x.grid->highest - x.grid->lowest > kFullLimit;
      weight = widened(weight, is_byte ? kByteLimit : kFullLimit);
    }
    inputs.push_back(writer_->weight(name, weight));
    if (is_integer && bias.defined()) {
      inputs.push_back(integer_bias(node.path + ".bias", bias, weight, *x.grid));
    }
  } else {
    inputs.push_back(constant(name, stored.value));
  }
  if (is_integer || !bias.defined()) {
    return {model_.node(operation, node.path, inputs, attributes)};
  }
  if (!has_integers && !x.grid) {
    inputs.push_back(constant(node.path + ".bias", bias));
    return {model_.node(operation, node.path, inputs, attributes)};
  }
  const auto product = model_.node(operation, node.path + ".product", inputs, attributes);
  const auto apart = bias.reshape(bias_shape);
  // onnxruntime makes an Add behind float weights a bias again.
  return has_integers
             ? Written{model_.node("Add", node.path, {product, constant(node.path + ".bias", apart)})}
             : Written{model_.node("Sub", node.path, {product, constant(node.path + ".minus_bias", -apart)})};
}

Written Walker::write(const Node& node, const op::Conv& conv) {
  return layer(node, "Conv",
               {{"kernel_shape", sides_of(conv.window.kernel)},
                {"strides", sides_of(conv.window.stride)},
                {"pads", pads_of(conv.window.padding)},
                {"group", conv.groups}},
               {1, -1, 1, 1});
}

Written Walker::write(const Node& node, const op::Linear&) {
  return layer(node, "Gemm", {{"transB", int64_t{1}}}, {1, -1});
}

Written Walker::write(const Node& node, const op::Norm& norm) {
  if (folded_.count(node.path) > 0) {
    return input(node);
  }
  if (norm.module.is_empty()) {
    throw std::invalid_argument(node.path + ": a norm of another kind; expected batch norm");
  }
  std::vector<std::string> inputs = {input(node).name};
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
    inputs.push_back(constant(node.path + part, find(node.path + part)->value));
  }
  return {model_.node("BatchNormalization", node.path, inputs, {{"epsilon", norm.module->options.eps()}})};
}

Written Walker::on_grid(const std::string& name, const Written& x, Grid grid) {
  if (grid.lowest == ActivationFunction::kUnbounded) {
    if (!x.is_nonnegative) {
      throw std::invalid_argument(name +
                                  ": reads values below 0, for which its grid has no end; expected a "
                                  "ReLU in front of it");
    }
    grid.lowest = 0;
  }
  return {writer_->activation(name, x.name, grid), grid.lowest >= 0,
          options_.form == OnnxExportOptions::Form::kQcdq ? std::optional(grid) : std::nullopt};
}

ActivationFunction function_of(const Node& node, const op::Activation& activation) {
  try {
    return bsq::function_of(activation.module->activation());
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(node.path + ": " + error.what());
  }
}

Written Walker::write(const Node& node, const op::Activation& activation) {
  const auto function = function_of(node, activation);
  if (function.grid) {
    return on_grid(node.path, input(node), *function.grid);
  }
  if (!std::isfinite(function.low) && !std::isfinite(function.high)) {
    return input(node);
  }
  const auto end = [&](const char* suffix, double value) {
    return std::isfinite(value) ? model_.number(node.path + suffix, value) : std::string();
  };
  const auto low = end("_low", function.low), high = end("_high", function.high);
  return {model_.node("Clip", node.path, {input(node).name, low, high}), function.low >= 0};
}

Written Walker::unary(const Node& node, const char* operation, const Attributes& attributes) {
  return {model_.node(operation, node.path, {input(node).name}, attributes), input(node).is_nonnegative};
}

Written Walker::pool(const Node& node, const char* operation, const Window& window, Attributes attributes) {
  attributes.push_back({"kernel_shape", sides_of(window.kernel)});
  attributes.push_back({"strides", sides_of(window.stride)});
  attributes.push_back({"pads", pads_of(window.padding)});
  return unary(node, operation, attributes);
}

Written Walker::write(const Node& node, const op::PadChannels& pad) {
  if (pad.before == 0 && pad.after == 0) {
    return input(node);
  }
  const auto counts = torch::tensor(
      {int64_t{0}, pad.before, int64_t{0}, int64_t{0}, int64_t{0}, pad.after, int64_t{0}, int64_t{0}});
  const auto pads = model_.constant(node.path + "_pads", counts, OnnxType::kInt64);
  return {model_.node("Pad", node.path, {input(node).name, pads}), input(node).is_nonnegative};
}

Written Walker::write(const Node& node) {
  return std::visit(
      Overloaded{
          [&](const op::Input&) -> Written { return {model_.input("images", node.shape)}; },
          [&](const op::Conv& conv) { return write(node, conv); },
          [&](const op::Linear& linear) { return write(node, linear); },
          [&](const op::Norm& norm) { return write(node, norm); },
          [&](const op::Relu&) -> Written {
            return {unary(node, "Relu").name, /*is_nonnegative=*/true};
          },
          [&](const op::Activation& activation) { return write(node, activation); },
          [&](const op::Add&) -> Written {
            return {model_.node("Add", node.path, {input(node, 0).name, input(node, 1).name}),
                    is_nonnegative(node)};
          },
          [&](const op::Concat&) -> Written {
            std::vector<std::string> names;
            for (size_t i = 0; i < node.inputs.size(); ++i) {
              names.push_back(input(node, i).name);
            }
            return {model_.node("Concat", node.path, names, {{"axis", int64_t{1}}}), is_nonnegative(node)};
          },
          [&](const op::GlobalAveragePool&) -> Written {
            const auto means = model_.node("GlobalAveragePool", node.path + ".means", {input(node).name});
            return {model_.node("Flatten", node.path, {means}), input(node).is_nonnegative};
          },
          [&](const op::AveragePool& pool_) {
            return pool(node, "AveragePool", pool_.window, {{"count_include_pad", int64_t{1}}});
          },
          [&](const op::MaxPool& pool_) { return pool(node, "MaxPool", pool_.window, {}); },
          [&](const op::Flatten&) { return unary(node, "Flatten"); },
          [&](const op::Dropout&) { return input(node); },
          [&](const op::PadChannels& pad) { return write(node, pad); }},
      node.operation);
}

std::string Walker::run(const std::map<std::string, std::string>& metadata) {
  for (size_t i = 0; i < program_.nodes().size(); ++i) {
    const auto& node = program_.nodes()[i];
    auto value = write(node);
    const auto grid = options_.grids.find(static_cast<int64_t>(i));
    values_.push_back(grid == options_.grids.end() ? value
                                                   : on_grid(node.path + ".rounded", value, grid->second));
  }
  const auto output = static_cast<size_t>(program_.output());
  model_.output(values_[output].name, "logits", program_.nodes()[output].shape);
  for (const auto& [key, text] : metadata) {
    model_.metadata(key, text);
  }
  return model_.bytes();
}

}  // namespace

const Program& exported_program(const Network& network) {
  if (network.program() == nullptr) {
    throw std::invalid_argument(
        "its forward pass is written by hand; expected a network that the builder made");
  }
  return *network.program();
}

std::string export_onnx(Network& network, const OnnxExportOptions& options,
                        const std::map<std::string, std::string>& metadata) {
  torch::NoGradGuard no_grad;
  return Walker(network, options).run(metadata);
}

}  // namespace bsq
