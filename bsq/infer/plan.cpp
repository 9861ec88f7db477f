#include "bsq/infer/plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <optional>

#include "bsq/base/error.h"

namespace bsq::infer {
namespace {

constexpr int kNone = -1;
constexpr int32_t kMostCode = 255;
constexpr int64_t kMostNumbers = int64_t{1} << 27;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Nodes that one step computes: from `first` to `last`, each the only reader of the one before.
struct Chain {
  int first = kNone, last = kNone;
  int norm = kNone, sum = kNone, relu = kNone, activation = kNone;
};

/// Which nodes go together, as the trainer's executor has it (bsq/graph/executor.cpp).
class Chains {
 public:
  explicit Chains(const Graph& graph)
      : graph_(graph), readers_(graph.nodes.size(), 0), only_reader_(graph.nodes.size(), kNone) {
    count_readers();
    is_absorbed_.resize(graph.nodes.size(), false);
    by_last_.resize(graph.nodes.size());
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (begins(static_cast<int>(i))) {
        follow(static_cast<int>(i));
      }
    }
  }

  bool is_absorbed(int node) const { return is_absorbed_[static_cast<size_t>(node)]; }
  /// The chain that ends with a node; nothing where it is computed in another way.
  const std::optional<Chain>& ending_with(int node) const { return by_last_[static_cast<size_t>(node)]; }

 private:
  Kind kind(int node) const { return graph_.nodes[static_cast<size_t>(node)].kind; }
  bool is(int node, Kind wanted) const { return node != kNone && kind(node) == wanted; }

  void count_readers() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      for (const int input : graph_.nodes[i].inputs) {
        const auto read = static_cast<size_t>(input);
        only_reader_[read] = ++readers_[read] == 1 ? static_cast<int>(i) : kNone;
      }
    }
    only_reader_[static_cast<size_t>(graph_.output)] = kNone;
  }

  bool begins(int node) const {
    const auto found = kind(node);
    return !is_taken(node) && (found == Kind::kConv || found == Kind::kLinear || found == Kind::kNorm ||
                               found == Kind::kAdd || found == Kind::kRelu || found == Kind::kActivation);
  }

  // Whether a chain goes through it, or ends with it.
  bool is_taken(int node) const {
    return is_absorbed(node) || by_last_[static_cast<size_t>(node)].has_value();
  }

  void follow(int first) {
    Chain chain{first, first};
    const auto take = [&](int next, int& place) {
      is_absorbed_[static_cast<size_t>(chain.last)] = true;
      place = next;
      chain.last = next;
    };
    const auto next = [&] { return only_reader_[static_cast<size_t>(chain.last)]; };
    const bool is_layer = is(first, Kind::kConv) || is(first, Kind::kLinear);
    if (is(first, Kind::kNorm)) {
      chain.norm = first;
    } else if (is(first, Kind::kAdd)) {
      chain.sum = first;
    } else if (is(first, Kind::kRelu)) {
      chain.relu = first;
    } else if (is(first, Kind::kActivation)) {
      chain.activation = first;
    }
    if (is_layer && is(next(), Kind::kNorm)) {
      take(next(), chain.norm);
    }
    if ((is_layer || chain.norm != kNone) && is(next(), Kind::kAdd) && !is_taken(next())) {
      take(next(), chain.sum);
    }
    if (chain.activation == kNone && chain.relu == kNone && is(next(), Kind::kRelu)) {
      take(next(), chain.relu);
    }
    if (chain.activation == kNone && is(next(), Kind::kActivation)) {
      take(next(), chain.activation);
    }
    by_last_[static_cast<size_t>(chain.last)] = chain;
  }

  const Graph& graph_;
  std::vector<int> readers_, only_reader_;
  std::vector<bool> is_absorbed_;
  std::vector<std::optional<Chain>> by_last_;
};

class Planner {
 public:
  Planner(const Graph& graph, const StoredModel& model)
      : graph_(graph), model_(model), chains_(graph), value_of_(graph.nodes.size(), kNone) {}

  Plan plan() {
    Value image;
    image.channels = graph_.image[0];
    image.height = graph_.image[1];
    image.width = graph_.image[2];
    value_of_[0] = add_value(image);
    for (size_t i = 1; i < graph_.nodes.size(); ++i) {
      const int index = static_cast<int>(i);
      if (const auto& chain = chains_.ending_with(index)) {
        plan_chain(*chain);
      } else if (!chains_.is_absorbed(index)) {
        plan_alone(index);
      }
    }
    plan_.output = value_of_[static_cast<size_t>(graph_.output)];
    check_output();
    check_memory();
    return std::move(plan_);
  }

 private:
  const GraphNode& node(int index) const { return graph_.nodes[static_cast<size_t>(index)]; }
  Value& value(int index) { return plan_.values[static_cast<size_t>(index)]; }
  int input_value(int index, size_t which = 0) const {
    return value_of_[static_cast<size_t>(node(index).inputs[which])];
  }
  [[noreturn]] void fail(const std::string& path, const std::string& what) const {
    throw Error(model_.path + ": " + path + ": " + what);
  }

  int add_value(const Value& made) {
    int64_t numbers = 1;
    for (const int64_t size : {made.channels, made.height, made.width}) {
      if (size < 1 || size > kMostNumbers / numbers) {
        throw Error(model_.path + ": a value of its program is empty, or has more than 2^27 numbers");
      }
      numbers *= size;
    }
    plan_.values.push_back(made);
    plan_.values.back().border = 0;  // of what it was made from; its own readers set it
    return static_cast<int>(plan_.values.size()) - 1;
  }

  void finish_step(Step step, Value made, int last) {
    step.output = add_value(made);
    value_of_[static_cast<size_t>(last)] = step.output;
    plan_.steps.push_back(std::move(step));
  }

  int64_t positions(int64_t pixels, const GraphNode& of) const {
    const int64_t padded = pixels + 2 * of.padding;
    if (of.kernel > padded) {
      fail(of.path, "a window of " + std::to_string(of.kernel) + " on " + std::to_string(padded) +
                        " pixels with padding");
    }
    return (padded - of.kernel) / of.stride + 1;
  }

  void require_image(const Value& found, const std::string& path) const {
    if (found.is_features) {
      fail(path, "reads features; expected channels of pixels");
    }
  }

  /// A float tensor, or the values of codes, of so many numbers; empty where it may be missing and is.
  std::vector<float> numbers(const std::string& name, int64_t count, bool may_be_missing = false) const {
    const auto array = model_.arrays.find(name);
    const auto codes = model_.codes.find(name);
    std::vector<float> found;
    if (array != model_.arrays.end()) {
      found = array->second.values;
    } else if (codes != model_.codes.end()) {
      found = codes->second.values();
    } else if (may_be_missing) {
      return {};
    } else {
      throw Error(model_.path + ": has no tensor " + name);
    }
    if (static_cast<int64_t>(found.size()) != count) {
      throw Error(model_.path + ": " + name + " has " + std::to_string(found.size()) + " numbers; expected " +
                  std::to_string(count));
    }
    return found;
  }

  std::vector<int64_t> weight_shape(const std::string& name) const {
    const auto array = model_.arrays.find(name);
    const auto codes = model_.codes.find(name);
    if (array == model_.arrays.end() && codes == model_.codes.end()) {
      throw Error(model_.path + ": has no tensor " + name);
    }
    return array != model_.arrays.end() ? array->second.shape : codes->second.shape;
  }

  // Whether the sums stay within 32 bits, and every integer within 16.
  static bool fits_integers(const StoredCodes& codes, int64_t channels, int32_t high) {
    const auto row = static_cast<int64_t>(codes.integers.size()) / channels;
    for (int64_t c = 0; c < channels; ++c) {
      int64_t sum = 0;
      for (int64_t i = 0; i < row; ++i) {
        const int64_t magnitude = std::abs(int64_t{codes.integers[static_cast<size_t>(c * row + i)]});
        if (magnitude > std::numeric_limits<int16_t>::max()) {
          return false;
        }
        sum += magnitude * high;
      }
      if (sum > std::numeric_limits<int32_t>::max()) {
        return false;
      }
    }
    return true;
  }

  static bool has_offset(const StoredCodes& codes) {
    return std::any_of(codes.offset.begin(), codes.offset.end(), [](float x) { return x != 0; });
  }

  // Weights, and the gains that lead from sums to values.
  void add_weights(Step& step, const Value& in, int64_t channels) {
    const auto name = step.path + ".weight";
    const auto codes = model_.codes.find(name);
    step.gain.assign(static_cast<size_t>(channels), 1.0F);
    if (codes == model_.codes.end() || !in.is_codes || has_offset(codes->second) ||
        !fits_integers(codes->second, channels, in.high)) {
      step.weights = numbers(
          name, static_cast<int64_t>(codes == model_.codes.end() ? model_.arrays.at(name).values.size()
                                                                 : codes->second.integers.size()));
      return;
    }
    const auto& stored = codes->second;
    step.is_integer = true;
    step.codes.assign(stored.integers.begin(), stored.integers.end());
    for (size_t c = 0; c < step.gain.size(); ++c) {
      const double scale = stored.scale[stored.scale.size() == 1 ? 0 : c];
      step.gain[c] = static_cast<float>(scale / static_cast<double>(stored.levels) * double{in.step});
    }
  }

  void fold_norm(const GraphNode& norm, int64_t channels, Step& step) const {
    const auto weight = numbers(norm.path + ".weight", channels);
    const auto bias = numbers(norm.path + ".bias", channels);
    const auto mean = numbers(norm.path + ".running_mean", channels);
    const auto variance = numbers(norm.path + ".running_var", channels);
    for (size_t c = 0; c < weight.size(); ++c) {
      const double root = std::sqrt(double{variance[c]} + norm.epsilon);
      if (!(root > 0)) {
        fail(norm.path, "a variance below 0");
      }
      const double slope = double{weight[c]} / root;
      step.shift[c] = static_cast<float>(double{bias[c]} + slope * (double{step.shift[c]} - double{mean[c]}));
      step.gain[c] = static_cast<float>(double{step.gain[c]} * slope);
    }
  }

  /// A layer without what follows it; gives the shape of its value.
  Value plan_layer(int index, Step& step) {
    const auto& of = node(index);
    const bool is_conv = of.kind == Kind::kConv;
    const int read = input_value(index);
    const Value in = value(read);
    step.kind = StepKind::kLayer;
    step.path = of.path;
    step.inputs = {read};
    const auto shape = weight_shape(of.path + ".weight");
    if (is_conv) {
      require_image(in, of.path);
    } else if (!in.is_features) {
      fail(of.path, "reads an image; expected features");
    }
    if (of.padding >= of.kernel && of.padding > 0) {
      fail(of.path, "a padding of " + std::to_string(of.padding) + "; expected less than its kernel");
    }
    auto& border = value(read).border;
    border = std::max(border, of.padding);
    const std::vector<int64_t> rest =
        is_conv ? std::vector<int64_t>{of.kernel, of.kernel} : std::vector<int64_t>{};
    std::vector<int64_t> wanted = {shape.empty() ? 0 : shape[0], in.channels / of.groups};
    wanted.insert(wanted.end(), rest.begin(), rest.end());
    if (shape != wanted || shape[0] < 1 || in.channels % of.groups != 0 || shape[0] % of.groups != 0) {
      fail(of.path, "a weight of another shape than its program asks for");
    }
    step.kernel = of.kernel;
    step.stride = of.stride;
    step.padding = of.padding;
    step.groups = of.groups;
    Value made;
    made.channels = shape[0];
    made.is_features = !is_conv;
    if (is_conv) {
      made.height = positions(in.height, of);
      made.width = positions(in.width, of);
    }
    add_weights(step, in, made.channels);
    step.shift = numbers(of.path + ".bias", made.channels, /*may_be_missing=*/true);
    step.shift.resize(static_cast<size_t>(made.channels), 0.0F);
    return made;
  }

  Value plan_pointwise(const Chain& chain, Step& step) {
    const int first = chain.first;
    step.path = node(first).path;
    step.inputs = {input_value(first)};
    Value made = value(step.inputs[0]);
    if (first == chain.sum) {
      step.residual = input_value(first, 1);
    }
    const auto& in = value(step.inputs[0]);
    step.gain.assign(static_cast<size_t>(made.channels), in.is_codes ? in.step : 1.0F);
    step.shift.assign(static_cast<size_t>(made.channels), 0.0F);
    made.is_codes = false;
    return made;
  }

  void plan_chain(const Chain& chain) {
    Step step;
    const auto kind = node(chain.first).kind;
    const bool is_layer = kind == Kind::kConv || kind == Kind::kLinear;
    Value made = is_layer ? plan_layer(chain.first, step) : plan_pointwise(chain, step);
    const bool was_positive = !is_layer && chain.norm == kNone && chain.sum == kNone && made.is_positive;
    if (chain.norm != kNone) {
      require_image(made, node(chain.norm).path);
      fold_norm(node(chain.norm), made.channels, step);
    }
    if (chain.sum != kNone) {
      add_residual(chain, step, made);
    }
    finish(chain, was_positive, step, made);
    finish_step(std::move(step), made, chain.last);
  }

  void add_residual(const Chain& chain, Step& step, const Value& made) {
    const auto& sum = node(chain.sum);
    if (chain.first != chain.sum) {
      const int before = chain.norm == kNone ? chain.first : chain.norm;
      step.residual = value_of_[static_cast<size_t>(sum.inputs[sum.inputs[0] == before ? 1 : 0])];
    }
    const auto& other = value(step.residual);
    if (other.channels != made.channels || other.height != made.height || other.width != made.width ||
        other.is_features != made.is_features) {
      fail(sum.path, "adds values of two shapes");
    }
  }

  void finish(const Chain& chain, bool was_positive, Step& step, Value& made) const {
    Finish& finish = step.finish;
    finish = {-kInfinity, kInfinity};
    if (chain.relu != kNone || was_positive) {
      finish.low = 0;
    }
    if (chain.activation != kNone) {
      apply(node(chain.activation).rule, finish, made);
    }
    made.is_positive = finish.low >= 0 && finish.offset >= 0;
  }

  // Of a rule that gives the integers 0 to at most 255, the value is codes.
  static void apply(const Rule& rule, Finish& finish, Value& made) {
    const double low = std::max(double{finish.low}, rule.low);
    // As min(max(x, low), high), where low is above high too.
    finish.low = static_cast<float>(std::min(low, rule.high));
    finish.high = static_cast<float>(rule.high);
    if (rule.divisor == 0) {
      return;
    }
    finish.rounds = true;
    finish.per_step = static_cast<float>(1 / rule.divisor);
    finish.step = static_cast<float>(rule.step);
    finish.offset = static_cast<float>(rule.offset);
    const double most = rule.high / rule.divisor;
    if (finish.low >= 0 && rule.offset == 0 && most < kMostCode + 0.5 && std::isfinite(finish.per_step)) {
      made.is_codes = true;
      made.step = finish.step;
      made.high = static_cast<int32_t>(std::nearbyint(finish.high * finish.per_step));
      made.high = std::clamp(made.high, 0, kMostCode);
    }
  }

  void plan_alone(int index) {
    const auto& of = node(index);
    Step step;
    step.path = of.path;
    for (size_t i = 0; i < of.inputs.size(); ++i) {
      step.inputs.push_back(input_value(index, i));
    }
    step.kernel = of.kernel;
    step.stride = of.stride;
    step.padding = of.padding;
    Value made = value(step.inputs[0]);
    switch (of.kind) {
      case Kind::kGlobalAveragePool:
        require_image(made, of.path);
        step.kind = StepKind::kGlobalPool;
        made.height = made.width = 1;
        made.is_features = true;
        made.is_codes = false;
        break;
      case Kind::kAveragePool:
      case Kind::kMaxPool:
        require_image(made, of.path);
        step.kind = of.kind == Kind::kMaxPool ? StepKind::kMaxPool : StepKind::kAveragePool;
        made.height = positions(made.height, of);
        made.width = positions(made.width, of);
        made.is_codes = made.is_codes && of.kind == Kind::kMaxPool;
        break;
      case Kind::kFlatten:
        step.kind = StepKind::kFlatten;
        made.channels = made.numel();
        made.height = made.width = 1;
        made.is_features = true;
        break;
      case Kind::kPadChannels:
        require_image(made, of.path);
        step.kind = StepKind::kPadChannels;
        step.before = of.before;
        made.channels += of.before + of.after;
        break;
      default:
        plan_concat(step, made);
    }
    finish_step(std::move(step), made, index);
  }

  // Codes where all values have the same steps.
  void plan_concat(Step& step, Value& made) {
    step.kind = StepKind::kConcat;
    made.channels = 0;
    for (const int input : step.inputs) {
      const auto& part = value(input);
      if (part.height != made.height || part.width != made.width || part.is_features != made.is_features) {
        fail(step.path, "joins values of several shapes");
      }
      made.channels += part.channels;
      made.is_codes = made.is_codes && part.is_codes && part.step == made.step;
      made.is_positive = made.is_positive && part.is_positive;
      made.high = std::max(made.high, part.high);
    }
  }

  void check_output() {
    const auto& logits = value(plan_.output);
    if (!logits.is_features || logits.channels != model_.classes) {
      throw Error(model_.path + ": its program gives " + std::to_string(logits.numel()) +
                  " numbers; expected " + std::to_string(model_.classes) + " logits");
    }
  }

  void check_memory() const {
    double numbers = 0;
    for (const auto& made : plan_.values) {
      numbers += static_cast<double>(made.channels + 7) * static_cast<double>(made.height + 2 * made.border) *
                 static_cast<double>(made.width + 2 * made.border);
    }
    if (numbers > kMostNumbers) {
      throw Error(model_.path + ": the values of its program have more than 2^27 numbers");
    }
  }

  const Graph& graph_;
  const StoredModel& model_;
  Chains chains_;
  std::vector<int> value_of_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const Graph& graph, const StoredModel& model) { return Planner(graph, model).plan(); }

}  // namespace bsq::infer
