#include "bsq/graph/cost.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace bsq {
namespace {

constexpr int64_t kImageBits = 8;
constexpr int64_t kFloatBits = 32;

int64_t elements(const ValueShape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

/// Bits of each node's value.
std::vector<int64_t> value_bits(const std::vector<Node>& nodes) {
  std::vector<int64_t> bits;
  for (const auto& node : nodes) {
    const auto widest = [&] {
      int64_t most = 0;
      for (const int64_t input : node.inputs) {
        most = std::max(most, bits[input]);
      }
      return most;
    };
    bits.push_back(std::visit(
        Overloaded{[](const op::Input&) { return kImageBits; }, [](const op::Conv&) { return kFloatBits; },
                   [](const op::Linear&) { return kFloatBits; }, [](const op::Norm&) { return kFloatBits; },
                   [](const op::Relu&) { return kFloatBits; },
                   [](const op::Activation& activation) {
                     const int64_t own = activation.module->activation().bits();
                     return own == 0 ? kFloatBits : own;
                   },
                   [](const op::Add&) { return kFloatBits; }, [&](const op::Concat&) { return widest(); },
                   [&](const op::GlobalAveragePool&) { return widest(); },
                   [&](const op::AveragePool&) { return widest(); },
                   [&](const op::MaxPool&) { return widest(); }, [&](const op::Flatten&) { return widest(); },
                   [&](const op::Dropout&) { return widest(); },
                   [&](const op::PadChannels&) { return widest(); }},
        node.operation));
  }
  return bits;
}

/// Multiply-accumulates of a layer of weights; nothing for other nodes.
std::optional<int64_t> macs_of(const Node& node, const std::vector<Node>& nodes) {
  if (const auto* conv = std::get_if<op::Conv>(&node.operation)) {
    const int64_t channels = nodes[node.inputs[0]].shape[0] / conv->groups;
    return elements(node.shape) * channels * conv->window.kernel.height * conv->window.kernel.width;
  }
  if (std::holds_alternative<op::Linear>(node.operation)) {
    return node.shape[0] * nodes[node.inputs[0]].shape[0];
  }
  return std::nullopt;
}

void refuse_others(const Program& program, const WeightBits& weight_bits) {
  const auto layers = program.layers();
  for (const auto& [path, bits] : weight_bits) {
    const bool is_known = std::any_of(layers.begin(), layers.end(),
                                      [&name = path](const LayerSite& site) { return site.path == name; });
    if (!is_known) {
      throw std::invalid_argument("cost: layer " + path + " is not in the network");
    }
  }
}

}  // namespace

int64_t NetworkCost::macs() const {
  int64_t sum = 0;
  for (const auto& layer : layers) {
    sum += layer.macs;
  }
  return sum;
}

int64_t NetworkCost::bit_operations() const {
  int64_t sum = 0;
  for (const auto& layer : layers) {
    sum += layer.bit_operations();
  }
  return sum;
}

NetworkCost cost_of(const Program& program, const WeightBits& weight_bits) {
  refuse_others(program, weight_bits);
  const auto& nodes = program.nodes();
  const auto bits = value_bits(nodes);
  NetworkCost cost;
  for (const auto& node : nodes) {
    if (const auto macs = macs_of(node, nodes)) {
      const auto own = weight_bits.find(node.path);
      cost.layers.push_back(
          {node.path, *macs, own == weight_bits.end() ? kFloatBits : own->second, bits[node.inputs[0]]});
    }
  }
  return cost;
}

std::optional<NetworkCost> cost_of(const Network& network, const WeightBits& weight_bits) {
  const auto* program = network.program();
  return program == nullptr ? std::nullopt : std::optional(cost_of(*program, weight_bits));
}

}  // namespace bsq
