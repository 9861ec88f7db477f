#include "bsq/graph/conv_norms.h"

#include <optional>
#include <stdexcept>

namespace bsq {
namespace {

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

/// A norm with the convolution in front of it, or why it cannot go into that.
struct Found {
  std::optional<ConvNorm> pair;
  std::string reason = {};
};

Found pair_of(const Program& program, const std::vector<int64_t>& readers, const Node& node) {
  const auto& norm = std::get<op::Norm>(node.operation);
  if (norm.module.is_empty()) {
    return {std::nullopt, "a norm of another kind; expected batch norm"};
  }
  const auto input = static_cast<size_t>(node.inputs.front());
  const auto& layer = program.nodes()[input];
  const auto* conv = std::get_if<op::Conv>(&layer.operation);
  if (conv == nullptr) {
    return {std::nullopt, "reads " + layer.path + "; expected a convolution that it can go into"};
  }
  if (readers[input] > 1) {
    return {std::nullopt, layer.path + " has other readers too; expected the norm alone"};
  }
  return {ConvNorm{layer.path, node.path, std::dynamic_pointer_cast<QuantConv2dImpl>(conv->layer.module),
                   norm.module.ptr()}};
}

template <typename OnOther>
std::vector<ConvNorm> collect(const Program& program, OnOther on_other) {
  const auto readers = count_readers(program);
  std::vector<ConvNorm> pairs;
  for (const auto& node : program.nodes()) {
    if (std::holds_alternative<op::Norm>(node.operation)) {
      const auto found = pair_of(program, readers, node);
      if (found.pair) {
        pairs.push_back(*found.pair);
      } else {
        on_other(node, found.reason);
      }
    }
  }
  return pairs;
}

}  // namespace

std::vector<ConvNorm> conv_norms(const Program& program) {
  auto pairs = collect(program, [](const Node& norm, const std::string& reason) {
    throw std::invalid_argument(norm.path + ": " + reason);
  });
  if (pairs.empty()) {
    throw std::invalid_argument("has no batch norm; expected one or more");
  }
  return pairs;
}

std::vector<ConvNorm> foldable_norms(const Program& program) {
  return collect(program, [](const Node&, const std::string&) {});
}

}  // namespace bsq
