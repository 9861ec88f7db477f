#include "bsq/io/checkpoint/program_text.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "bsq/graph/program.h"

namespace bsq {
namespace {

using OrderedJson = nlohmann::ordered_json;

// One number for both sides where it is the same.
OrderedJson extent_json(const Extent& extent) {
  return extent.height == extent.width ? OrderedJson(extent.height)
                                       : OrderedJson({extent.height, extent.width});
}

void add_window(OrderedJson& item, const Window& window) {
  const auto add = [&](const char* name, const Extent& extent, int64_t usual) {
    if (extent.height != usual || extent.width != usual) {
      item[name] = extent_json(extent);
    }
  };
  item["kernel"] = extent_json(window.kernel);
  add("stride", window.stride, 1);
  add("padding", window.padding, 0);
}

void add_norm(OrderedJson& item, const op::Norm& norm) {
  if (norm.module.is_empty()) {
    item["norm"] = "other";
    return;
  }
  item["epsilon"] = norm.module->options.eps();
}

// Infinite limits are left out: JSON has no such number.
void add_rule(OrderedJson& item, const ActivationRule& rule) {
  const auto add_limit = [&](const char* name, double limit) {
    if (std::isfinite(limit)) {
      item[name] = limit;
    }
  };
  add_limit("low", rule.low);
  add_limit("high", rule.high);
  if (rule.divisor == 0) {
    return;
  }
  item["divisor"] = rule.divisor;
  if (rule.step != rule.divisor) {
    item["step"] = rule.step;
  }
  if (rule.offset != 0) {
    item["offset"] = rule.offset;
  }
}

void add_activation(OrderedJson& item, const op::Activation& activation) {
  const auto& quantizer = activation.module->activation();
  item["bits"] = quantizer.bits();
  if (const auto rule = quantizer.rule()) {
    item["rule"] = OrderedJson::object();
    add_rule(item["rule"], *rule);
  }
}

// Its kind, and what the kind has of its own.
OrderedJson operation_json(const Operation& operation) {
  OrderedJson item;
  const auto kind = [&](const char* name) { item["kind"] = name; };
  std::visit(
      Overloaded{[&](const op::Input&) { kind("input"); },
                 [&](const op::Conv& conv) {
                   kind("conv");
                   add_window(item, conv.window);
                   if (conv.groups != 1) {
                     item["groups"] = conv.groups;
                   }
                 },
                 [&](const op::Linear&) { kind("linear"); },
                 [&](const op::Norm& norm) {
                   kind("norm");
                   add_norm(item, norm);
                 },
                 [&](const op::Relu&) { kind("relu"); },
                 [&](const op::Activation& activation) {
                   kind("activation");
                   add_activation(item, activation);
                 },
                 [&](const op::Add&) { kind("add"); }, [&](const op::Concat&) { kind("concat"); },
                 [&](const op::GlobalAveragePool&) { kind("global_average_pool"); },
                 [&](const op::AveragePool& pool) {
                   kind("average_pool");
                   add_window(item, pool.window);
                 },
                 [&](const op::MaxPool& pool) {
                   kind("max_pool");
                   add_window(item, pool.window);
                 },
                 [&](const op::Flatten&) { kind("flatten"); }, [&](const op::Dropout&) { kind("dropout"); },
                 [&](const op::PadChannels& pad) {
                   kind("pad_channels");
                   item["before"] = pad.before;
                   item["after"] = pad.after;
                 }},
      operation);
  return item;
}

OrderedJson node_json(const std::vector<Node>& nodes, size_t index) {
  const Node& node = nodes[index];
  OrderedJson item = operation_json(node.operation);
  item["path"] = node.path;
  if (index == 0) {
    item["shape"] = node.shape;
  }
  const auto before = static_cast<int64_t>(index) - 1;
  if (index > 0 && node.inputs != std::vector<int64_t>{before}) {
    item["inputs"] = node.inputs;
  }
  return item;
}

}  // namespace

std::string program_text(const Network& network) {
  const Program* program = network.program();
  if (program == nullptr) {
    return "";
  }
  OrderedJson nodes = OrderedJson::array();
  for (size_t i = 0; i < program->nodes().size(); ++i) {
    nodes.push_back(node_json(program->nodes(), i));
  }
  return OrderedJson({{"output", program->output()}, {"nodes", nodes}}).dump();
}

}  // namespace bsq
