#include "bsq/graph/builder.h"

#include <fnmatch.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bsq/nn/activation_factory.h"
#include "bsq/nn/norm_factory.h"
#include "bsq/nn/quant_conv2d.h"
#include "bsq/nn/quant_linear.h"

namespace bsq {
namespace {

constexpr int64_t kMaxClasses = 100000;

[[noreturn]] void fail(const std::string& path, const std::string& text) {
  throw std::invalid_argument(path + ": " + text);
}

void expect(bool is_so, const std::string& path, const std::string& text) {
  if (!is_so) {
    fail(path, text);
  }
}

void expect_positive(int64_t number, const char* noun, const std::string& path) {
  expect(number > 0, path, std::string(noun) + " " + std::to_string(number) + "; expected 1 or more");
}

ActivationQuantizer activation_at(const std::string& path, const NetworkDescription& description,
                                  const ActivationInput& input) {
  try {
    return make_activation(description, input);
  } catch (const std::invalid_argument& error) {
    fail(path, error.what());
  }
}

int64_t positions(int64_t pixels, int64_t kernel, int64_t stride, int64_t padding, const std::string& path) {
  const int64_t padded = pixels + 2 * padding;
  expect(kernel <= padded, path,
         "a window of " + std::to_string(kernel) + " on " + std::to_string(padded) +
             " pixels with padding; expected it to fit");
  return (padded - kernel) / stride + 1;
}

void expect_padding(int64_t padding, const std::string& path) {
  expect(padding >= 0, path, "padding " + std::to_string(padding) + "; expected 0 or more");
}

ValueShape under_window(int64_t channels, const ValueShape& in, const Window& window,
                        const std::string& path) {
  const auto &kernel = window.kernel, &stride = window.stride, &padding = window.padding;
  for (const auto& side : {&Extent::height, &Extent::width}) {
    expect_positive(kernel.*side, "kernel", path);
    expect_positive(stride.*side, "stride", path);
    expect_padding(padding.*side, path);
  }
  return {channels, positions(in[1], kernel.height, stride.height, padding.height, path),
          positions(in[2], kernel.width, stride.width, padding.width, path)};
}

template <typename Holder>
op::Layer layer_of(const Holder& holder) {
  return {holder.ptr(), [layer = holder.ptr()](const torch::Tensor& x) { return layer->forward(x); }};
}

op::Layer make_conv(int64_t channels, const ConvOptions& options) {
  const auto all = torch::nn::Conv2dOptions(channels, options.planes(), options.kernel().sides())
                       .stride(options.stride().sides())
                       .padding(options.padding().sides())
                       .groups(options.groups())
                       .bias(options.bias());
  return layer_of(QuantConv2d(all));
}

bool is_shared(ActivationPlace place) {
  return place == ActivationPlace::kSharedInput || place == ActivationPlace::kInnerSharedInput;
}

LayerRole* role_of(Node& node) {
  if (auto* conv = std::get_if<op::Conv>(&node.operation)) {
    return &conv->role;
  }
  auto* linear = std::get_if<op::Linear>(&node.operation);
  return linear == nullptr ? nullptr : &linear->role;
}

// The layer itself knows what it is to its network.
void tell_role(Node& node) {
  const auto* conv = std::get_if<op::Conv>(&node.operation);
  const auto* linear = std::get_if<op::Linear>(&node.operation);
  const auto* layer = conv != nullptr ? &conv->layer : linear != nullptr ? &linear->layer : nullptr;
  if (layer != nullptr && layer->module) {
    dynamic_cast<QuantLayer&>(*layer->module).set_role(*role_of(node));
  }
}

// Whether a value may be below 0. Quantized activations of the flow are ReLUs; those in front of layers have
// the sign of what they read.
bool gives_negative(const Operation& operation, ActivationPlace place, bool reads_negative) {
  if (std::holds_alternative<op::Relu>(operation)) {
    return false;
  }
  if (std::holds_alternative<op::Activation>(operation) && place == ActivationPlace::kOutput) {
    return false;
  }
  const bool is_sum_of_products = std::holds_alternative<op::Conv>(operation) ||
                                  std::holds_alternative<op::Linear>(operation) ||
                                  std::holds_alternative<op::Norm>(operation);
  return is_sum_of_products || reads_negative;
}

torch::nn::Module& child_of(torch::nn::Module& parent, const std::string& name) {
  const auto children = parent.named_children();
  const auto* found = children.find(name);
  return found != nullptr ? **found : *parent.register_module(name, std::make_shared<torch::nn::Module>());
}

}  // namespace

Builder::Builder(const NetworkDescription& description, torch::nn::Module* root, const ValueShape& image)
    : description_(description),
      root_(root),
      nodes_{{"input", op::Input(), {}, image}},
      is_image_{true},
      may_be_negative_{true} {}

Builder::Scope::Scope(Builder& builder, const std::string& name)
    : builder_(builder), outer_(builder.prefix_.size()) {
  builder_.prefix_ += name + ".";
}

Builder::Scope::~Scope() { builder_.prefix_.resize(outer_); }

const ValueShape& Builder::shape(Value x) const { return shape_of(prefix_, x); }

Value Builder::conv(const std::string& name, Value x, const ConvOptions& options) {
  const auto path = claim(name);
  const auto in = image_shape(path, x);
  expect_positive(options.planes(), "planes", path);
  expect_positive(options.groups(), "groups", path);
  expect(in[0] % options.groups() == 0 && options.planes() % options.groups() == 0, path,
         std::to_string(options.groups()) + " groups for " + std::to_string(in[0]) + " and " +
             std::to_string(options.planes()) + " channels; expected a divisor of both");
  const Window window{options.kernel(), options.stride(), options.padding()};
  const auto out = under_window(options.planes(), in, window, path);
  const auto input = layer_input(path, x);
  op::Conv conv{window, options.groups(), role_at(x, options.role()), {}};
  if (root_ != nullptr) {
    conv.layer = make_conv(in[0], options);
    attach(path, conv.layer.module);
  }
  return record(path, conv, {input}, out);
}

Value Builder::conv(const std::string& name, Value x, int64_t planes, int64_t kernel, int64_t stride) {
  return conv(name, x, ConvOptions(planes, kernel).stride(stride));
}

Value Builder::linear(const std::string& name, Value x, int64_t features) {
  const auto path = claim(name);
  const auto in = feature_shape(path, x);
  expect_positive(features, "features", path);
  const auto input = layer_input(path, x);
  op::Linear linear{role_at(x, LayerRole::kInner), {}};
  if (root_ != nullptr) {
    linear.layer = layer_of(QuantLinear(in[0], features));
    attach(path, linear.layer.module);
  }
  return record(path, linear, {input}, {features});
}

Value Builder::norm(const std::string& name, Value x, double epsilon) {
  const auto path = claim(name);
  const auto in = image_shape(path, x);
  if (description_.norm == kNoNorm) {
    take_norm(path, x);
    return x;
  }
  op::Norm norm;
  if (root_ != nullptr && description_.norm == kBatchNorm) {
    norm.module = torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(in[0]).eps(epsilon));
    attach(path, norm.module.ptr());
  } else if (root_ != nullptr) {
    const auto module = make_norm(description_, in[0]);
    norm.other = {module, [module](const torch::Tensor& y) { return module->forward(y); }};
    attach(path, module);
  }
  return record(path, norm, {x}, in);
}

// The layer in front of a norm that is left out adds what the norm would add.
void Builder::take_norm(const std::string& path, Value x) {
  const auto* conv = std::get_if<op::Conv>(&nodes_[x.node].operation);
  expect(conv != nullptr, path,
         "reads " + nodes_[x.node].path + "; expected a convolution, as the network is to have no norms");
  if (root_ != nullptr) {
    auto& layer = dynamic_cast<QuantConv2dImpl&>(*conv->layer.module);
    layer.give_bias();
    layer.options.bias(true);
  }
}

Value Builder::activation(const std::string& name, Value x, FloatActivation when_float) {
  const auto path = claim(name);
  const auto shape = shape_of(path, x);
  if (description_.activation_place != ActivationPlace::kOutput) {
    return record(path, op::Relu(), {x}, shape);
  }
  if (when_float == FloatActivation::kRelu && activation_bits_at(description_, path) == 0) {
    activations_.push_back(path);
    return record(path, op::Relu(), {x}, shape);
  }
  return quantized(path, x, {});
}

Value Builder::quantized(const std::string& path, Value x, const ActivationInput& input) {
  auto description = description_;
  description.activation_bits = activation_bits_at(description_, path);
  const op::Activation activation{activation_at(path, description, input)};
  if (root_ != nullptr) {
    attach(path, activation.module.ptr());
  }
  activations_.push_back(path);
  return record(path, activation, {x}, shape_of(path, x));
}

// What a layer of weights reads of x: x itself, or its quantizer's value.
Value Builder::layer_input(const std::string& path, Value x) {
  const auto place = description_.activation_place;
  if (place == ActivationPlace::kOutput || unquantized_.count(path) > 0 ||
      (is_image_[x.node] && place != ActivationPlace::kEveryInput)) {
    return x;
  }
  const auto own = path + "_input";
  const auto shared = shared_inputs_.find(x.node);
  if (is_shared(place) && shared != shared_inputs_.end()) {
    return shared->second;
  }
  if (activation_bits_at(description_, own) == 0) {
    activations_.push_back(own);
    return x;
  }
  const auto value = quantized(own, x, {may_be_negative_[x.node]});
  shared_inputs_[x.node] = value;
  return value;
}

Value Builder::relu(Value x) {
  const auto path = path_of("relu");
  return record(path, op::Relu(), {x}, shape_of(path, x));
}

Value Builder::add(Value a, Value b) {
  const auto path = path_of("add");
  const auto &first = shape_of(path, a), &second = shape_of(path, b);
  expect(first == second, path,
         "values of shapes " + text_of(first) + " and " + text_of(second) + "; expected one shape");
  return record(path, op::Add(), {a, b}, first);
}

Value Builder::concat(const std::vector<Value>& values) {
  const auto path = path_of("concat");
  expect(values.size() >= 2, path, std::to_string(values.size()) + " values; expected 2 or more");
  auto sum = shape_of(path, values[0]);
  for (size_t i = 1; i < values.size(); ++i) {
    const auto& next = shape_of(path, values[i]);
    expect(next.size() == sum.size() && std::equal(next.begin() + 1, next.end(), sum.begin() + 1), path,
           "values of shapes " + text_of(sum) + " and " + text_of(next) +
               "; expected them to differ in channels alone");
    sum[0] += next[0];
  }
  return record(path, op::Concat(), values, sum);
}

Value Builder::global_average_pool(Value x) {
  const auto path = path_of("global_average_pool");
  return record(path, op::GlobalAveragePool(), {x}, {image_shape(path, x)[0]});
}

Value Builder::average_pool(Value x, const Window& window) {
  return record_pool("average_pool", x, op::AveragePool{window}, window);
}

Value Builder::max_pool(Value x, const Window& window) {
  return record_pool("max_pool", x, op::MaxPool{window}, window);
}

Value Builder::record_pool(const std::string& name, Value x, Operation operation, const Window& window) {
  const auto path = path_of(name);
  const auto in = image_shape(path, x);
  for (const auto& side : {&Extent::height, &Extent::width}) {  // libtorch's own limit
    const int64_t padding = window.padding.*side, kernel = window.kernel.*side;
    expect(2 * padding <= kernel, path,
           "padding " + std::to_string(padding) + " of a window of " + std::to_string(kernel) +
               "; expected at most half of it");
  }
  return record(path, std::move(operation), {x}, under_window(in[0], in, window, path));
}

Value Builder::flatten(Value x) {
  const auto path = path_of("flatten");
  const auto in = image_shape(path, x);
  return record(path, op::Flatten(), {x}, {in[0] * in[1] * in[2]});
}

Value Builder::dropout(const std::string& name, Value x, double rate) {
  const auto path = claim(name);
  const auto shape = shape_of(path, x);
  expect(rate >= 0 && rate < 1, path, "a rate of " + std::to_string(rate) + "; expected 0 to below 1");
  if (rate == 0) {
    return x;
  }
  op::Dropout dropout;
  if (root_ != nullptr) {
    dropout.module = torch::nn::Dropout(rate);
    attach(path, dropout.module.ptr());
  }
  return record(path, dropout, {x}, shape);
}

Value Builder::pad_channels(Value x, int64_t before, int64_t after) {
  const auto path = path_of("pad_channels");
  auto shape = image_shape(path, x);
  expect(before >= 0 && after >= 0, path,
         std::to_string(before) + " and " + std::to_string(after) + " channels; expected 0 or more");
  shape[0] += before + after;
  return record(path, op::PadChannels{before, after}, {x}, shape);
}

Program Builder::finish(Value logits) {
  const auto& found = shape_of("output", logits);
  const ValueShape wanted = {description_.classes};
  expect(found == wanted, "output", "shape " + text_of(found) + "; expected " + text_of(wanted));
  refuse_unread(logits);
  refuse_idle_rules();
  mark_last(logits);
  for (auto& node : nodes_) {
    tell_role(node);
  }
  return {std::move(nodes_), logits.node};
}

std::string Builder::claim(const std::string& name) {
  auto path = path_of(name);
  const auto dotted = "." + path + ".";
  expect(dotted.find("..") == std::string::npos, "'" + path + "'", "expected a name on both sides of a dot");
  expect(claimed_.insert(path).second, path, "stands twice; expected every path once");
  return path;
}

const ValueShape& Builder::shape_of(const std::string& path, Value x) const {
  expect(x.node >= 0 && x.node < static_cast<int64_t>(nodes_.size()), path,
         "its input is no value of this builder");
  return nodes_[x.node].shape;
}

ValueShape Builder::image_shape(const std::string& path, Value x) const {
  const auto& found = shape_of(path, x);
  expect(found.size() == 3, path,
         "input of shape " + text_of(found) + "; expected (channels, height, width)");
  return found;
}

ValueShape Builder::feature_shape(const std::string& path, Value x) const {
  const auto& found = shape_of(path, x);
  expect(found.size() == 1, path,
         "input of shape " + text_of(found) + "; expected (features): flatten or pool it first");
  return found;
}

// A first layer is one between which and the image there is no other.
LayerRole Builder::role_at(Value x, LayerRole wanted) const {
  return wanted == LayerRole::kInner && is_image_[x.node] ? LayerRole::kFirst : wanted;
}

// A last layer is one between which and the output there is no other.
void Builder::mark_last(Value logits) {
  std::vector<bool> reaches_output(nodes_.size(), false);
  reaches_output[logits.node] = true;
  for (int64_t i = logits.node; i >= 0; --i) {
    auto* role = role_of(nodes_[i]);
    if (reaches_output[i] && role != nullptr) {
      *role = *role == LayerRole::kInner ? LayerRole::kLast : *role;
    } else if (reaches_output[i]) {
      for (const int64_t input : nodes_[i].inputs) {
        reaches_output[input] = true;
      }
    }
  }
}

void Builder::refuse_unread(Value logits) const {
  std::vector<bool> is_read(nodes_.size(), false);
  is_read[logits.node] = true;
  for (const auto& node : nodes_) {
    for (const int64_t input : node.inputs) {
      is_read[input] = true;
    }
  }
  const auto unread = std::find(is_read.begin(), is_read.end(), false);
  expect(unread == is_read.end(), unread == is_read.end() ? "" : nodes_[unread - is_read.begin()].path,
         "nothing reads its value; expected a reader, or to be the output");
}

// A rule that speaks of no activation is misspelt.
void Builder::refuse_idle_rules() const {
  for (const auto& [pattern, bits] : description_.activation_rules) {
    const bool is_used =
        std::any_of(activations_.begin(), activations_.end(), [&glob = pattern](const std::string& path) {
          return fnmatch(glob.c_str(), path.c_str(), /*flags=*/0) == 0;
        });
    std::string names;
    for (const auto& path : activations_) {
      names += (names.empty() ? "" : ", ") + path;
    }
    expect(is_used, "activation '" + pattern + "'",
           "matches no quantized activation; they are " + (names.empty() ? "none" : names));
  }
}

void Builder::attach(const std::string& path, std::shared_ptr<torch::nn::Module> module) {
  auto* parent = root_;
  size_t begin = 0;
  for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', begin)) {
    parent = &child_of(*parent, path.substr(begin, dot - begin));
    begin = dot + 1;
  }
  parent->register_module(path.substr(begin), std::move(module));
}

Value Builder::record(const std::string& path, Operation operation, const std::vector<Value>& inputs,
                      ValueShape shape) {
  Node node{path, std::move(operation), {}, std::move(shape)};
  bool is_image = false, reads_negative = false;
  for (const auto& input : inputs) {
    node.inputs.push_back(input.node);
    is_image = is_image || is_image_[input.node];
    reads_negative = reads_negative || may_be_negative_[input.node];
  }
  may_be_negative_.push_back(gives_negative(node.operation, description_.activation_place, reads_negative));
  is_image_.push_back(is_image && role_of(node) == nullptr);
  nodes_.push_back(std::move(node));
  return {static_cast<int64_t>(nodes_.size()) - 1};
}

namespace {

// Which layers make the output is known at the end of the flow.
std::set<std::string> last_layers(NetworkDescription description, const Flow& flow) {
  description.activation_place = ActivationPlace::kOutput;
  description.activation_rules.clear();
  std::set<std::string> paths;
  for (const auto& layer : record(description, flow, /*root=*/nullptr).layers()) {
    if (layer.role == LayerRole::kLast) {
      paths.insert(layer.path);
    }
  }
  return paths;
}

}  // namespace

Program record(const NetworkDescription& description, const Flow& flow, torch::nn::Module* root) {
  if (description.classes < 2 || description.classes > kMaxClasses) {
    throw std::invalid_argument("a network of " + std::to_string(description.classes) +
                                " classes; expected 2 to " + std::to_string(kMaxClasses));
  }
  Builder builder(description, root, {3, description.image_height, description.image_width});
  if (description.activation_place == ActivationPlace::kInnerSharedInput) {
    builder.leave_unquantized(last_layers(description, flow));
  }
  const auto logits = flow(builder, builder.image());
  return builder.finish(logits);
}

}  // namespace bsq
