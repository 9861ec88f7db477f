#include "bsq/graph/normalized_layers.h"

#include <vector>

namespace bsq {
namespace {

bool is_layer(const Node& node) {
  return std::holds_alternative<op::Conv>(node.operation) ||
         std::holds_alternative<op::Linear>(node.operation);
}

}  // namespace

std::set<std::string> normalized_layers(const Program& program) {
  const auto& nodes = program.nodes();
  std::vector<int64_t> norms(nodes.size(), 0);
  std::vector<int64_t> readers(nodes.size(), 0);
  readers[static_cast<size_t>(program.output())] = 1;
  for (const auto& node : nodes) {
    for (const int64_t input : node.inputs) {
      ++readers[static_cast<size_t>(input)];
      norms[static_cast<size_t>(input)] += std::holds_alternative<op::Norm>(node.operation) ? 1 : 0;
    }
  }
  std::set<std::string> paths;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (is_layer(nodes[i]) && readers[i] > 0 && norms[i] == readers[i]) {
      paths.insert(nodes[i].path);
    }
  }
  return paths;
}

std::set<std::string> normalized_layers(const Network& network) {
  const auto* program = network.program();
  return program == nullptr ? std::set<std::string>() : normalized_layers(*program);
}

}  // namespace bsq
