#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/dropout.h>
#include <torch/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bsq/nn/layer_role.h"
#include "bsq/quant/activation_quantizer.h"

namespace bsq {

/// The shape of a value for one image: (channels, height, width), or (features).
using ValueShape = std::vector<int64_t>;
/// "(16, 32, 32)".
std::string text_of(const ValueShape& shape);

/// Height and width, in pixels; one number stands for both.
struct Extent {
  int64_t height, width;
  Extent(int64_t side) : height(side), width(side) {}  // NOLINT(google-explicit-constructor)
  Extent(int64_t height, int64_t width) : height(height), width(width) {}
  /// As libtorch's functions take it.
  std::array<int64_t, 2> sides() const { return {height, width}; }
};

/// A window that moves over an image.
struct Window {
  Extent kernel = 1;
  Extent stride = 1;
  Extent padding = 0;
};

/// What a node computes. A node with a module holds it; in a program that was recorded without modules
/// (program_of() in models/registry.h) these are null.
namespace op {

/// The module of a layer of weights.
struct Layer {
  std::shared_ptr<torch::nn::Module> module;
  std::function<torch::Tensor(const torch::Tensor&)> forward;
};

/// The images. Every program begins with this node.
struct Input {};
/// A convolution with zero padding; with as many groups as channels it is depthwise.
struct Conv {
  Window window;
  int64_t groups = 1;
  LayerRole role = LayerRole::kInner;
  Layer layer;
};
/// A fully connected layer of a value of features.
struct Linear {
  LayerRole role = LayerRole::kInner;
  Layer layer;
};
/// A norm over the channels. One of the two is set in a program with modules.
struct Norm {
  torch::nn::BatchNorm2d module{nullptr};  ///< batch norm
  Layer other;                             ///< a norm of another kind (bsq/nn/norm_factory.h)
};
/// max(x, 0), not quantized.
struct Relu {};
/// A quantized activation; it has a module in every program.
struct Activation {
  ActivationQuantizer module{nullptr};
};
/// The sum of two values of one shape.
struct Add {};
/// All channels, or all features, of several values.
struct Concat {};
/// The mean of each channel, as features.
struct GlobalAveragePool {};
/// Means of windows; padding counts as zeros.
struct AveragePool {
  Window window;
};
/// Maxima of windows.
struct MaxPool {
  Window window;
};
/// All pixels of all channels as features.
struct Flatten {};
/// In training each number becomes 0 with the module's probability, and the others are scaled up.
struct Dropout {
  torch::nn::Dropout module{nullptr};
};
/// Channels of zeros in front of a value's own and behind them.
struct PadChannels {
  int64_t before = 0, after = 0;
};

}  // namespace op

using Operation = std::variant<op::Input, op::Conv, op::Linear, op::Norm, op::Relu, op::Activation, op::Add,
                               op::Concat, op::GlobalAveragePool, op::AveragePool, op::MaxPool, op::Flatten,
                               op::Dropout, op::PadChannels>;

/// One std::visit() of an Operation by a lambda for each kind: whoever walks a program and forgets a kind
/// does not compile.
template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

/// One operation of a network and the value that it makes.
struct Node {
  /// Of its module ("layer1.0.conv1"); a node without one is named after scope and kind ("layer1.0.add").
  std::string path;
  Operation operation;
  std::vector<int64_t> inputs;  ///< the nodes that it reads, all of them before it
  ValueShape shape;             ///< of its value, for one image
};

/// Where a layer of weights stands in its network.
struct LayerSite {
  std::string path;
  LayerRole role = LayerRole::kInner;
};

/// The flow of a network: what its builder recorded. Executor, cost, export and engine walk the same nodes.
class Program {
 public:
  /// The nodes in an order in which they can be computed; `output` is the index of the one that makes the
  /// logits.
  Program(std::vector<Node> nodes, int64_t output) : nodes_(std::move(nodes)), output_(output) {}

  const std::vector<Node>& nodes() const { return nodes_; }
  int64_t output() const { return output_; }

  /// Every layer of weights, in the program's order.
  std::vector<LayerSite> layers() const;

 private:
  std::vector<Node> nodes_;
  int64_t output_;
};

}  // namespace bsq
