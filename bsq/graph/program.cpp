#include "bsq/graph/program.h"

namespace bsq {

std::string text_of(const ValueShape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + ")";
}

std::vector<LayerSite> Program::layers() const {
  std::vector<LayerSite> sites;
  for (const auto& node : nodes_) {
    if (const auto* conv = std::get_if<op::Conv>(&node.operation)) {
      sites.push_back({node.path, conv->role});
    } else if (const auto* linear = std::get_if<op::Linear>(&node.operation)) {
      sites.push_back({node.path, linear->role});
    }
  }
  return sites;
}

}  // namespace bsq
