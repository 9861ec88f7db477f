#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bsq/graph/program.h"
#include "bsq/nn/network_description.h"

namespace bsq {

/// A value in a network that is being built.
struct Value {
  int64_t node = -1;
};

/// A convolution without a bias; its padding keeps the size of the image where kernel is odd and stride 1.
struct ConvOptions {
  ConvOptions(int64_t planes, Extent kernel)
      : planes_(planes), kernel_(kernel), padding_(kernel.height / 2, kernel.width / 2) {}
  /// Output channels.
  TORCH_ARG(int64_t, planes);
  TORCH_ARG(Extent, kernel);
  TORCH_ARG(Extent, stride) = 1;
  TORCH_ARG(Extent, padding);
  /// As many as there are channels: depthwise.
  TORCH_ARG(int64_t, groups) = 1;
  TORCH_ARG(bool, bias) = false;
  /// kShortcut, or kInner: the builder finds the first and the last layer by itself.
  TORCH_ARG(LayerRole, role) = LayerRole::kInner;
};

/// What an activation is where its values stay float (0 bits): what its kind gives, ReLU6 of the usual one,
/// or a plain ReLU, as networks have it whose published weights are to load.
enum class FloatActivation { kOfKind, kRelu };

/// Writes a network once: each call registers a module under its path, and records what it computes of which
/// values. Order of calls is order of registration, and of random draws.
///
///     auto y = b.activation("relu1", b.norm("bn1", b.conv("conv1", x, /*planes=*/64, /*kernel=*/3)));
///
/// Names are paths below the current scope; dots make a path ("downsample.0"). They are names in files: never
/// rename them. Every call throws std::invalid_argument that names the node where it does not fit its inputs.
class Builder {
 public:
  /// Registers the modules below `root`; without one, records the flow alone. `image`: shape of the input.
  explicit Builder(const NetworkDescription& description, torch::nn::Module* root,
                   const ValueShape& image = {3, 32, 32});

  /// Paths of layers that read their value as it is, wherever the description has quantizers. Call it before
  /// the first layer. record() does so where the description wants no quantizer in front of the last layers.
  void leave_unquantized(std::set<std::string> layers) { unquantized_ = std::move(layers); }

  /// What is built: for the count of classes.
  const NetworkDescription& description() const { return description_; }
  Value image() const { return {0}; }
  const ValueShape& shape(Value x) const;

  /// While it lives, names stand below its name.
  class Scope {
   public:
    Scope(Builder& builder, const std::string& name);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Builder& builder_;
    size_t outer_;
  };
  [[nodiscard]] Scope scope(const std::string& name) { return {*this, name}; }

  Value conv(const std::string& name, Value x, const ConvOptions& options);
  Value conv(const std::string& name, Value x, int64_t planes, int64_t kernel, int64_t stride = 1);
  Value linear(const std::string& name, Value x, int64_t features);
  /// Where the description has no norms, x itself, which a convolution makes that gets a bias.
  /// `epsilon` is that of a batch norm; norms of other kinds have their own.
  Value norm(const std::string& name, Value x, double epsilon = 1e-5);
  /// The quantized activation that the description asks for; ReLU where its activations stand in front of
  /// layers (ActivationPlace).
  Value activation(const std::string& name, Value x, FloatActivation when_float = FloatActivation::kOfKind);
  Value relu(Value x);
  Value add(Value a, Value b);
  Value concat(const std::vector<Value>& values);
  Value global_average_pool(Value x);
  Value average_pool(Value x, const Window& window);
  Value max_pool(Value x, const Window& window);
  Value flatten(Value x);
  /// The value itself where the rate is 0. A rate is from 0 to below 1.
  Value dropout(const std::string& name, Value x, double rate);
  /// Channels of zeros in front and behind.
  Value pad_channels(Value x, int64_t before, int64_t after);

  /// The program whose output are these logits, (classes) features. Throws std::invalid_argument also where a
  /// value is read by nobody. Call it once, as the last.
  Program finish(Value logits);

 private:
  std::string path_of(const std::string& name) const { return prefix_ + name; }
  std::string claim(const std::string& name);
  const ValueShape& shape_of(const std::string& path, Value x) const;
  ValueShape image_shape(const std::string& path, Value x) const;
  ValueShape feature_shape(const std::string& path, Value x) const;
  void take_norm(const std::string& path, Value x);
  Value quantized(const std::string& path, Value x, const ActivationInput& input);
  Value layer_input(const std::string& path, Value x);
  void refuse_idle_rules() const;
  LayerRole role_at(Value x, LayerRole wanted) const;
  void mark_last(Value logits);
  void refuse_unread(Value logits) const;
  void attach(const std::string& path, std::shared_ptr<torch::nn::Module> module);
  Value record(const std::string& path, Operation operation, const std::vector<Value>& inputs,
               ValueShape shape);
  Value record_pool(const std::string& name, Value x, Operation operation, const Window& window);

  NetworkDescription description_;
  torch::nn::Module* root_;
  std::string prefix_;
  std::set<std::string> claimed_;
  std::vector<Node> nodes_;
  std::vector<bool> is_image_;  // of each node: whether the image reaches it without a layer of weights
  std::vector<bool> may_be_negative_;       // of each node: its value
  std::set<std::string> unquantized_;       // paths of layers
  std::vector<std::string> activations_;    // paths where a quantizer may stand
  std::map<int64_t, Value> shared_inputs_;  // of a node that several layers read: its quantized value
};

/// A network's flow, from the image to the logits.
using Flow = std::function<Value(Builder&, Value image)>;

/// The program of a flow, which may be called twice. Throws std::invalid_argument for what the flow or the
/// builder refuses, and for a count of classes outside 2 to 100,000. `root`: see Builder.
Program record(const NetworkDescription& description, const Flow& flow, torch::nn::Module* root);

}  // namespace bsq
