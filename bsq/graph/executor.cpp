#include "bsq/graph/executor.h"

#include <functional>
#include <stdexcept>
#include <utility>

#include "bsq/graph/folded_norm.h"
#include "bsq/graph/norm_fork.h"

namespace bsq {

/// One operation, from some values to one.
struct ExecutorStep {
  using Tensors = std::vector<torch::Tensor>;
  /// One reading of a value. The last one leaves it empty, so that its memory is free for the next step.
  struct Reading {
    size_t index;
    bool is_last;
  };

  std::vector<Reading> readings;
  std::function<Fork(const Tensors& inputs)> compute;
  int64_t node = 0;
  bool has_branch = false;  ///< whether somebody reads the second value
};

namespace {

using Tensors = ExecutorStep::Tensors;
using Compute = std::function<Fork(const Tensors&)>;

constexpr int64_t kNone = -1;

/// The values of one run. Node i has two of them, 2 i for its first reader, 2 i + 1 for all others.
size_t trunk_of(int64_t node) { return 2 * static_cast<size_t>(node); }
size_t branch_of(int64_t node) { return trunk_of(node) + 1; }

template <typename Function>
Compute unary(Function function) {
  return [function](const Tensors& inputs) { return plain_fork(function(inputs[0])); };
}

torch::Tensor global_average(const torch::Tensor& x) {
  const auto type = x.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  return x.mean({2, 3}, /*keepdim=*/false, type);
}

[[noreturn]] void refuse_without_module(const Node& node) {
  throw std::invalid_argument(node.path + ": recorded without a module");
}

Compute compute_layer(const op::Layer& layer, const Node& node) {
  if (!layer.forward) {
    refuse_without_module(node);
  }
  return unary(layer.forward);
}

/// What a node computes that is not fused with others.
Compute compute_alone(const Node& node) {
  return std::visit(
      Overloaded{[](const op::Input&) -> Compute { throw std::logic_error("executor: an input is no step"); },
                 [&](const op::Conv& conv) { return compute_layer(conv.layer, node); },
                 [&](const op::Linear& linear) { return compute_layer(linear.layer, node); },
                 [&](const op::Norm& norm) { return compute_layer(norm.other, node); },
                 [](const op::Relu&) { return unary([](const torch::Tensor& x) { return torch::relu(x); }); },
                 [](const op::Activation& activation) {
                   return unary([module = activation.module.ptr()](const torch::Tensor& x) {
                     return module->forward(x);
                   });
                 },
                 [](const op::Add&) -> Compute {
                   return [](const Tensors& inputs) { return plain_fork(inputs[0] + inputs[1]); };
                 },
                 [](const op::Concat&) -> Compute {
                   return [](const Tensors& inputs) { return plain_fork(torch::cat(inputs, /*dim=*/1)); };
                 },
                 [](const op::GlobalAveragePool&) { return unary(global_average); },
                 [](const op::AveragePool& pool) {
                   return unary([window = pool.window](const torch::Tensor& x) {
                     return torch::avg_pool2d(x, window.kernel.sides(), window.stride.sides(),
                                              window.padding.sides());
                   });
                 },
                 [](const op::MaxPool& pool) {
                   return unary([window = pool.window](const torch::Tensor& x) {
                     return torch::max_pool2d(x, window.kernel.sides(), window.stride.sides(),
                                              window.padding.sides());
                   });
                 },
                 [](const op::Flatten&) {
                   return unary([](const torch::Tensor& x) { return x.flatten(/*start_dim=*/1); });
                 },
                 [&](const op::Dropout& dropout) -> Compute {
                   if (dropout.module.is_empty()) {
                     refuse_without_module(node);
                   }
                   return unary([module = dropout.module.ptr()](const torch::Tensor& x) {
                     return module->forward(x);
                   });
                 },
                 [](const op::PadChannels& pad) {
                   return unary([pad](const torch::Tensor& x) {
                     return torch::constant_pad_nd(x, {0, 0, 0, 0, pad.before, pad.after});
                   });
                 }},
      node.operation);
}

using ConvPointer = std::shared_ptr<QuantConv2dImpl>;
using NormPointer = std::shared_ptr<torch::nn::BatchNorm2dImpl>;

// The convolution in front of a batch norm. Which kind of weight it has is known when it runs only: methods
// exchange weights.
Compute compute_in_front(const ConvPointer& layer, const NormPointer& norm) {
  return unary([=](const torch::Tensor& x) {
    return trains_folded(*layer, *norm) ? folded_conv_norm(*layer, *norm, x) : layer->forward(x);
  });
}

// What is computed together with a batch norm, of what the norm gave already.
torch::Tensor behind_norm(const Tensors& inputs, const Operation& last) {
  const auto sum = inputs.size() > 1 ? inputs[0] + inputs[1] : inputs[0];
  if (const auto* activation = std::get_if<op::Activation>(&last)) {
    return activation->module.ptr()->forward(sum);
  }
  return std::holds_alternative<op::Relu>(last) ? torch::relu(sum) : sum;
}

/// A batch norm and what is computed together with it.
struct FusedNorm {
  int64_t norm = kNone;
  std::vector<int64_t> inputs;  ///< of the norm; then the other value of the sum, if there is one
};

/// Turns nodes into steps, in the nodes' order. A fused norm is computed where its last node stands.
class Compiler {
 public:
  explicit Compiler(const Program& program);
  ExecutorStep step(int64_t index);
  bool is_step(int64_t index) const { return !is_absorbed_[index]; }
  ExecutorStep::Reading read(int64_t node);

 private:
  const Operation& operation(int64_t index) const { return nodes_[index].operation; }
  template <typename Op>
  bool is(int64_t index) const {
    return index != kNone && std::holds_alternative<Op>(operation(index));
  }
  bool is_batch_norm(int64_t index) const {
    const auto* norm = std::get_if<op::Norm>(&operation(index));
    return norm != nullptr && !norm->other.forward;
  }
  void count_readers(int64_t output);
  void fuse(int64_t norm);
  ConvPointer layer_before(int64_t norm) const;
  Compute compute_one(int64_t index) const;
  Compute compute(const FusedNorm& fused, const Operation& last) const;
  Compute compute_unfolded(const FusedNorm& fused, const Operation& last) const;

  const std::vector<Node>& nodes_;
  std::vector<int64_t> readers_, readings_, only_reader_;
  std::vector<bool> is_absorbed_;
  std::vector<FusedNorm> fused_;  ///< of the node that a fused norm ends with
};

Compiler::Compiler(const Program& program)
    : nodes_(program.nodes()),
      readers_(nodes_.size(), 0),
      readings_(nodes_.size(), 0),
      only_reader_(nodes_.size(), kNone),
      is_absorbed_(nodes_.size(), false),
      fused_(nodes_.size()) {
  count_readers(program.output());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (is_batch_norm(static_cast<int64_t>(i))) {
      fuse(static_cast<int64_t>(i));
    }
  }
}

void Compiler::count_readers(int64_t output) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (const int64_t input : nodes_[i].inputs) {
      only_reader_[input] = ++readers_[input] == 1 ? static_cast<int64_t>(i) : kNone;
    }
  }
  ++readers_[output];
  only_reader_[output] = kNone;
}

// Norm, then a sum that no other norm is fused with, then an activation: each the only reader of the one
// before.
void Compiler::fuse(int64_t norm) {
  FusedNorm fused{norm, nodes_[norm].inputs};
  int64_t last = norm;
  const auto take = [&](int64_t next) {
    is_absorbed_[last] = true;
    last = next;
  };
  const int64_t sum = only_reader_[norm];
  if (is<op::Add>(sum) && fused_[sum].norm == kNone && !is_absorbed_[sum]) {
    const auto& inputs = nodes_[sum].inputs;
    fused.inputs.push_back(inputs[0] == norm ? inputs[1] : inputs[0]);
    take(sum);
  }
  const int64_t end = only_reader_[last];
  if (is<op::Relu>(end) || is<op::Activation>(end)) {
    take(end);
  }
  fused_[last] = fused;
}

ExecutorStep::Reading Compiler::read(int64_t node) {
  const int64_t earlier = readings_[node]++;
  if (earlier == 0) {
    return {trunk_of(node), /*is_last=*/true};
  }
  return {branch_of(node), /*is_last=*/readings_[node] == readers_[node]};
}

ExecutorStep Compiler::step(int64_t index) {
  const auto& fused = fused_[index];
  const bool is_fused = fused.norm != kNone;
  ExecutorStep step;
  step.node = index;
  step.has_branch = readers_[index] > 1;
  step.compute = is_fused ? compute(fused, operation(index)) : compute_one(index);
  for (const int64_t input : is_fused ? fused.inputs : nodes_[index].inputs) {
    step.readings.push_back(read(input));
  }
  return step;
}

// Null where the norm does not read a convolution that nobody else reads.
ConvPointer Compiler::layer_before(int64_t norm) const {
  const int64_t input = nodes_[norm].inputs.front();
  const auto* conv = std::get_if<op::Conv>(&operation(input));
  return conv == nullptr || only_reader_[input] != norm
             ? nullptr
             : std::dynamic_pointer_cast<QuantConv2dImpl>(conv->layer.module);
}

Compute Compiler::compute_one(int64_t index) const {
  const int64_t reader = only_reader_[index];
  if (reader == kNone || !is_batch_norm(reader)) {
    return compute_alone(nodes_[index]);
  }
  const auto layer = layer_before(reader);
  const auto& norm = std::get<op::Norm>(operation(reader)).module;
  return layer == nullptr || norm.is_empty() ? compute_alone(nodes_[index])
                                             : compute_in_front(layer, norm.ptr());
}

Compute Compiler::compute(const FusedNorm& fused, const Operation& last) const {
  const auto unfolded = compute_unfolded(fused, last);
  const auto layer = layer_before(fused.norm);
  if (layer == nullptr) {
    return unfolded;
  }
  return [=, norm = std::get<op::Norm>(operation(fused.norm)).module.ptr()](const Tensors& inputs) {
    return trains_folded(*layer, *norm) ? plain_fork(behind_norm(inputs, last)) : unfolded(inputs);
  };
}

Compute Compiler::compute_unfolded(const FusedNorm& fused, const Operation& last) const {
  const auto norm = std::get<op::Norm>(operation(fused.norm)).module.ptr();
  if (norm == nullptr) {
    refuse_without_module(nodes_[fused.norm]);
  }
  const auto residual = [](const Tensors& inputs) { return inputs.size() > 1 ? inputs[1] : torch::Tensor(); };
  if (const auto* activation = std::get_if<op::Activation>(&last)) {
    return [=, module = activation->module.ptr()](const Tensors& inputs) {
      return norm_activation_fork(*norm, *module, inputs[0], residual(inputs));
    };
  }
  if (std::holds_alternative<op::Relu>(last)) {
    return [=](const Tensors& inputs) { return norm_relu_fork(*norm, inputs[0], residual(inputs)); };
  }
  return [=](const Tensors& inputs) { return norm_fork(*norm, inputs[0], residual(inputs)); };
}

}  // namespace

Executor::Executor(const Program& program) : values_(2 * program.nodes().size()) {
  Compiler compiler(program);
  for (int64_t i = 1; i < static_cast<int64_t>(program.nodes().size()); ++i) {
    if (compiler.is_step(i)) {
      steps_.push_back(compiler.step(i));
    }
  }
  output_ = compiler.read(program.output()).index;
}

Executor::~Executor() = default;

torch::Tensor Executor::run(const torch::Tensor& images) const {
  Tensors values(values_), inputs;
  values[trunk_of(0)] = values[branch_of(0)] = images;
  for (const auto& step : steps_) {
    for (const auto& reading : step.readings) {
      auto& value = values[reading.index];
      inputs.push_back(reading.is_last ? std::move(value) : value);
    }
    auto [trunk, branch] = step.compute(inputs);
    inputs.clear();
    values[trunk_of(step.node)] = std::move(trunk);
    if (step.has_branch) {
      values[branch_of(step.node)] = std::move(branch);
    }
  }
  return values[output_];
}

}  // namespace bsq
