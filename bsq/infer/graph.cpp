#include "bsq/infer/graph.h"

#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "bsq/base/error.h"
#include "bsq/io/hdf5/hdf5_handle.h"

namespace bsq::infer {
namespace {

using nlohmann::json;

constexpr size_t kMostNodes = 100'000;
constexpr int64_t kMostPixels = 1 << 14;  // of a window or an image, in one dimension
constexpr int64_t kMostChannels = 1 << 20;
constexpr double kSmallestDivisor = 1e-37;  // its inverse is a float32
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr const char* kDropout = "dropout";

const std::map<std::string, Kind>& kinds() {
  static const std::map<std::string, Kind> kinds = {{"input", Kind::kInput},
                                                    {"conv", Kind::kConv},
                                                    {"linear", Kind::kLinear},
                                                    {"norm", Kind::kNorm},
                                                    {"relu", Kind::kRelu},
                                                    {"activation", Kind::kActivation},
                                                    {"add", Kind::kAdd},
                                                    {"concat", Kind::kConcat},
                                                    {"global_average_pool", Kind::kGlobalAveragePool},
                                                    {"average_pool", Kind::kAveragePool},
                                                    {"max_pool", Kind::kMaxPool},
                                                    {"flatten", Kind::kFlatten},
                                                    {"pad_channels", Kind::kPadChannels}};
  return kinds;
}

/// One JSON object of the program, with its place for messages.
class Item {
 public:
  Item(const json& item, std::string where) : item_(item), where_(std::move(where)) {
    if (!item_.is_object()) {
      fail("is no JSON object");
    }
  }

  [[noreturn]] void fail(const std::string& what) const { throw Error(where_ + " " + what); }

  bool has(const char* name) const { return item_.contains(name); }
  const json& at(const char* name) const {
    if (!has(name)) {
      fail(std::string("has no ") + name);
    }
    return item_.at(name);
  }
  std::string text(const char* name) const {
    if (!at(name).is_string()) {
      fail(std::string(name) + " is no text");
    }
    return at(name).get<std::string>();
  }
  int64_t integer(const char* name, int64_t low, int64_t high) const {
    const auto& value = at(name);
    const bool is_integer = value.is_number_integer();
    if (!is_integer || value.get<int64_t>() < low || value.get<int64_t>() > high) {
      fail(std::string(name) + " is no integer from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return value.get<int64_t>();
  }
  int64_t integer_or(const char* name, int64_t low, int64_t high, int64_t otherwise) const {
    return has(name) ? integer(name, low, high) : otherwise;
  }
  /// Of a window; a file has two numbers, height and width, where these differ.
  int64_t side_or(const char* name, int64_t low, int64_t otherwise) const {
    if (has(name) && at(name).is_array()) {
      fail(std::string(name) + " is not square; the engine takes square windows");
    }
    return integer_or(name, low, kMostPixels, otherwise);
  }
  double number_or(const char* name, double otherwise) const {
    if (!has(name)) {
      return otherwise;
    }
    if (!at(name).is_number() || !(std::abs(at(name).get<double>()) < 1e30)) {
      fail(std::string(name) + " is no number within 1e30 of 0");
    }
    return at(name).get<double>();
  }

 private:
  const json& item_;
  std::string where_;
};

void read_window(const Item& item, GraphNode& node) {
  item.at("kernel");
  node.kernel = item.side_or("kernel", 1, 1);
  node.stride = item.side_or("stride", 1, 1);
  node.padding = item.side_or("padding", 0, 0);
}

Rule read_rule(const Item& item) {
  Rule rule{item.number_or("low", -kInfinity), item.number_or("high", kInfinity)};
  rule.divisor = item.number_or("divisor", 0);
  rule.step = item.number_or("step", rule.divisor);
  rule.offset = item.number_or("offset", 0);
  if ((rule.divisor != 0 && !(rule.divisor > kSmallestDivisor)) || rule.step < 0) {
    item.fail("has a divisor that is not 0 or above 1e-37, or a step below 0");
  }
  return rule;
}

void read_own(const Item& item, const std::string& where, GraphNode& node) {
  switch (node.kind) {
    case Kind::kConv:
      read_window(item, node);
      node.groups = item.integer_or("groups", 1, kMostChannels, 1);
      break;
    case Kind::kAveragePool:
    case Kind::kMaxPool:
      read_window(item, node);
      if (2 * node.padding > node.kernel) {
        item.fail("has a padding of more than half its window");
      }
      break;
    case Kind::kNorm:
      if (item.has("norm")) {
        item.fail("is a norm of another kind than batch norm, which the engine does not compute");
      }
      node.epsilon = item.number_or("epsilon", 1e-5);
      break;
    case Kind::kActivation:
      if (!item.has("rule")) {
        item.fail(
            "is an activation without a stored range; expected a model that was trained or evaluated with "
            "ranges of its own (--act-range running)");
      }
      node.rule = read_rule(Item(item.at("rule"), where));
      break;
    case Kind::kPadChannels:
      node.before = item.integer("before", 0, kMostChannels);
      node.after = item.integer("after", 0, kMostChannels);
      break;
    default:
      break;
  }
}

size_t inputs_of(Kind kind) { return kind == Kind::kInput ? 0 : kind == Kind::kAdd ? 2 : 1; }

/// Reads nodes one by one; `place_` leads from the file's indices to those of the graph, which lacks some.
class Reader {
 public:
  Reader(const json& program, std::string where) : program_(program), where_(std::move(where)) {}

  Graph read() {
    const Item root(program_, where_);
    const auto& nodes = root.at("nodes");
    if (!nodes.is_array() || nodes.empty() || nodes.size() > kMostNodes) {
      root.fail("nodes is no array of 1 to " + std::to_string(kMostNodes) + " objects");
    }
    for (size_t i = 0; i < nodes.size(); ++i) {
      read_node(nodes[i], i);
    }
    graph_.output =
        place_[static_cast<size_t>(root.integer("output", 0, static_cast<int64_t>(nodes.size()) - 1))];
    return graph_;
  }

 private:
  void read_node(const json& value, size_t index) {
    const auto where = where_ + ": node " + std::to_string(index);
    const Item item(value, where);
    const auto kind = item.text("kind");
    if (kind == kDropout) {
      place_.push_back(read_inputs(item, index, 1).front());
      return;
    }
    GraphNode node;
    node.path = item.text("path");
    if (kinds().count(kind) == 0) {
      item.fail("is of the unknown kind '" + printable(kind) + "'");
    }
    node.kind = kinds().at(kind);
    if ((index == 0) != (node.kind == Kind::kInput)) {
      item.fail("is of the kind '" + kind + "'; expected the first node, and no other, to be the input");
    }
    node.inputs = read_inputs(item, index, inputs_of(node.kind));
    if (index == 0) {
      read_image(item);
    }
    const auto named = where_ + ": " + printable(node.path);
    read_own(Item(value, named), named, node);
    place_.push_back(static_cast<int>(graph_.nodes.size()));
    graph_.nodes.push_back(node);
  }

  std::vector<int> read_inputs(const Item& item, size_t index, size_t count) const {
    if (!item.has("inputs")) {
      if (count > 1) {
        item.fail("has no inputs");
      }
      return count == 0 ? std::vector<int>() : std::vector<int>{place_.at(index - 1)};
    }
    std::vector<int> inputs;
    const auto& list = item.at("inputs");
    const bool is_concat = item.text("kind") == "concat";
    if (!list.is_array() ||
        (is_concat ? list.size() < 2 || list.size() > kMostNodes : list.size() != count)) {
      item.fail("has another count of inputs than its kind");
    }
    for (const auto& input : list) {
      const bool is_before = input.is_number_integer() && input.get<int64_t>() >= 0 &&
                             input.get<int64_t>() < static_cast<int64_t>(index);
      if (!is_before) {
        item.fail("reads a node that is not before it");
      }
      inputs.push_back(place_[input.get<size_t>()]);
    }
    return inputs;
  }

  void read_image(const Item& item) {
    const auto& shape = item.at("shape");
    if (!shape.is_array() || shape.size() != 3) {
      item.fail("has a shape that is not three integers");
    }
    for (size_t i = 0; i < 3; ++i) {
      if (!shape[i].is_number_integer() || shape[i].get<int64_t>() < 1 || shape[i].get<int64_t>() > 4096) {
        item.fail("has a shape that is not three integers from 1 to 4096");
      }
      graph_.image[i] = shape[i].get<int64_t>();
    }
  }

  const json& program_;
  std::string where_;
  std::vector<int> place_;
  Graph graph_;
};

}  // namespace

Graph parse_graph(const std::string& text, const std::string& where) {
  const auto program = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (program.is_discarded()) {
    throw Error(where + " is no JSON");
  }
  return Reader(program, where).read();
}

}  // namespace bsq::infer
