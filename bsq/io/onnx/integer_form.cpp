#include "bsq/io/onnx/integer_form.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "bsq/graph/conv_norms.h"
#include "bsq/graph/value_ranges.h"
#include "bsq/io/onnx/activation_function.h"
#include "bsq/nn/quant_layer.h"

namespace bsq {
namespace {

constexpr int64_t kSteps = 255;

/// Looks at a program from its layers.
class Sites {
 public:
  explicit Sites(const Program& program) : nodes_(program.nodes()), readers_(nodes_.size()) {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      for (const int64_t input : nodes_[i].inputs) {
        readers_[static_cast<size_t>(input)].push_back(static_cast<int64_t>(i));
      }
    }
    for (const auto& pair : foldable_norms(program)) {
      folded_.insert(pair.norm_path);
    }
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (has_integers(static_cast<int64_t>(i))) {
        take(nodes_[i].inputs[0]);
        take_end(static_cast<int64_t>(i), program.output());
      }
    }
  }

  std::vector<int64_t> list() const { return {sites_.begin(), sites_.end()}; }

  // The part of a value's range that counts. Of a value that is added to a quantized one, and whose sum only
  // a quantized activation reads, it is what keeps the sum within the activation's ends: from minus the
  // other's largest value on, up to the activation's end less the other's smallest value.
  ValueRange what_counts(int64_t index, ValueRange range) const {
    const int64_t sum = only_reader(index);
    const int64_t reader = sum < 0 || as<op::Add>(sum) == nullptr ? -1 : only_reader(sum);
    const auto end = reader < 0 ? std::nullopt : ends_of(reader, /*is_input=*/true);
    if (!end) {
      return range;
    }
    const auto& inputs = at(sum).inputs;
    const auto other = ends_of(inputs[0] == index ? inputs[1] : inputs[0], /*is_input=*/false);
    if (other) {
      range.low = std::max(range.low, end->low - other->high);
      range.high = std::min(range.high, end->high - other->low);
    }
    return {std::min(range.low, 0.0), std::max(range.high, 0.0)};
  }

 private:
  const Node& at(int64_t index) const { return nodes_[static_cast<size_t>(index)]; }
  template <typename Op>
  const Op* as(int64_t index) const {
    return std::get_if<Op>(&at(index).operation);
  }

  bool has_integers(int64_t index) const {
    const auto* conv = as<op::Conv>(index);
    const auto* linear = as<op::Linear>(index);
    const auto* module = conv != nullptr     ? conv->layer.module.get()
                         : linear != nullptr ? linear->layer.module.get()
                                             : nullptr;
    const auto* layer = dynamic_cast<const QuantLayer*>(module);
    return layer != nullptr && !layer->weight_source().is_float();
  }
  bool gives_integers(int64_t index) const {
    const auto* activation = as<op::Activation>(index);
    return activation != nullptr && function_of(activation->module->activation()).grid.has_value();
  }
  // Between which ends a quantized activation tells its inputs apart, or its values lie; nothing for another
  // node.
  std::optional<ValueRange> ends_of(int64_t index, bool is_input) const {
    if (!gives_integers(index)) {
      return std::nullopt;
    }
    const auto function = function_of(as<op::Activation>(index)->module->activation());
    const auto& grid = *function.grid;
    if (grid.lowest == ActivationFunction::kUnbounded) {
      return std::nullopt;
    }
    const double step = is_input ? grid.step : grid.value_step;
    return ValueRange{step * static_cast<double>(grid.lowest), step * static_cast<double>(grid.highest)};
  }
  bool goes_along(int64_t index) const {
    return as<op::Relu>(index) != nullptr ||
           (as<op::Norm>(index) != nullptr && folded_.count(at(index).path) > 0);
  }
  int64_t only_reader(int64_t index) const {
    const auto& readers = readers_[static_cast<size_t>(index)];
    return readers.size() == 1 ? readers.front() : -1;
  }

  void take(int64_t index) {
    if (!gives_integers(index)) {
      sites_.insert(index);
    }
  }
  // Where onnxruntime looks for the rounding of a layer's value.
  void take_end(int64_t index, int64_t output) {
    int64_t end = index;
    while (only_reader(end) >= 0 && goes_along(only_reader(end))) {
      end = only_reader(end);
    }
    const int64_t reader = only_reader(end);
    const bool is_done = end == output || (reader >= 0 && gives_integers(reader));
    if (!is_done) {
      sites_.insert(end);
    }
  }

  const std::vector<Node>& nodes_;
  std::vector<std::vector<int64_t>> readers_;
  std::set<std::string> folded_;
  std::set<int64_t> sites_;
};

ActivationFunction::Grid grid_of(const ValueRange& range) {
  const double width = range.high - range.low;
  ActivationFunction::Grid grid;
  if (width > 0) {
    grid.step = grid.value_step = width / kSteps;
    grid.lowest = static_cast<int64_t>(std::nearbyint(range.low / grid.step));
    grid.highest = grid.lowest + kSteps;
  }
  return grid;
}

}  // namespace

std::vector<int64_t> values_to_round(const Network& network) {
  return Sites(exported_program(network)).list();
}

ValueGrids grids_of_8_bits(const Network& network, const std::vector<torch::Tensor>& batches) {
  const Sites sites(exported_program(network));
  ValueGrids grids;
  for (const auto& [node, range] : value_ranges(exported_program(network), sites.list(), batches)) {
    grids[node] = grid_of(sites.what_counts(node, range));
  }
  return grids;
}

}  // namespace bsq
