#include "bsq/graph/conv_norms.h"

#include <stdexcept>

namespace bsq {
namespace {

[[noreturn]] void refuse(const Node& norm, const std::string& reason) {
  throw std::invalid_argument(norm.path + ": " + reason);
}

std::vector<int64_t> count_readers(const Program& program) {
  std::vector<int64_t> readers(program.nodes().size(), 0);
  ++readers[static_cast<size_t>(program.output())];
  for (const auto& node : program.nodes()) {
    for (const int64_t input : node.inputs) {
      ++readers[static_cast<size_t>(input)];
    }
  }
  return readers;
}

// The convolution in front of a norm.
const Node& layer_before(const Program& program, const std::vector<int64_t>& readers, const Node& norm) {
  const auto input = static_cast<size_t>(norm.inputs.front());
  const auto& layer = program.nodes()[input];
  if (!std::holds_alternative<op::Conv>(layer.operation)) {
    refuse(norm, "reads " + layer.path + "; expected a convolution that it can go into");
  }
  if (readers[input] > 1) {
    refuse(norm, layer.path + " has other readers too; expected the norm alone");
  }
  return layer;
}

}  // namespace

std::vector<ConvNorm> conv_norms(const Program& program) {
  const auto readers = count_readers(program);
  std::vector<ConvNorm> pairs;
  for (const auto& node : program.nodes()) {
    if (const auto* norm = std::get_if<op::Norm>(&node.operation)) {
      if (norm->module.is_empty()) {
        refuse(node, "a norm of another kind; expected batch norm");
      }
      const auto& layer = layer_before(program, readers, node);
      const auto& conv = std::get<op::Conv>(layer.operation);
      pairs.push_back({layer.path, node.path, std::dynamic_pointer_cast<QuantConv2dImpl>(conv.layer.module),
                       norm->module.ptr()});
    }
  }
  if (pairs.empty()) {
    throw std::invalid_argument("has no batch norm; expected one or more");
  }
  return pairs;
}

}  // namespace bsq
