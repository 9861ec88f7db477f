#include "bsq/methods/int8/published_start.h"

#include <torch/utils.h>

#include <algorithm>
#include <stdexcept>
#include <variant>
#include <vector>

#include "bsq/graph/program.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

bool is_layer(const Node& node) {
  return std::holds_alternative<op::Conv>(node.operation) ||
         std::holds_alternative<op::Linear>(node.operation);
}

// Of each node, the layers of weights on the longest way from the image to it, itself included.
std::vector<int64_t> depths_of(const std::vector<Node>& nodes) {
  std::vector<int64_t> depths;
  for (const auto& node : nodes) {
    int64_t depth = 0;
    for (const int64_t input : node.inputs) {
      depth = std::max(depth, depths[static_cast<size_t>(input)]);
    }
    depths.push_back(depth + (is_layer(node) ? 1 : 0));
  }
  return depths;
}

std::vector<std::string> last_norms(const Program& program) {
  const auto& nodes = program.nodes();
  const auto depths = depths_of(nodes);
  std::vector<std::string> paths;
  for (const auto& node : nodes) {
    if (std::holds_alternative<op::Add>(node.operation)) {
      const auto& inputs = node.inputs;
      const auto deepest = *std::max_element(inputs.begin(), inputs.end(), [&](int64_t a, int64_t b) {
        return depths[static_cast<size_t>(a)] < depths[static_cast<size_t>(b)];
      });
      if (const auto& last = nodes[static_cast<size_t>(deepest)];
          std::holds_alternative<op::Norm>(last.operation)) {
        paths.push_back(last.path);
      }
    }
  }
  return paths;
}

}  // namespace

void take_published_start(Network& network) {
  if (network.program() == nullptr) {
    throw std::invalid_argument(
        "has a forward pass that is written by hand; the published start needs a program");
  }
  if (!is_float(network)) {
    throw std::invalid_argument("holds bits; the published start needs a float network");
  }
  torch::NoGradGuard no_grad;
  const auto parameters = network.named_parameters();
  for (const auto& path : last_norms(*network.program())) {
    torch::Tensor(parameters[path + ".weight"]).zero_();
  }
  for (const auto& [path, layer] : quant_layers(network)) {
    if (layer->role() == LayerRole::kLast) {
      torch::Tensor(parameters[path + ".weight"]).normal_(0, 0.01);
      if (layer->bias_source() != nullptr) {
        torch::Tensor(parameters[path + ".bias"]).zero_();
      }
    }
  }
}

}  // namespace bsq
