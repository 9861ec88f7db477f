#include <algorithm>
#include <nlohmann/json.hpp>

#include "bsq/base/error.h"
#include "bsq/io/run_summary.h"

namespace bsq {
namespace {

using SummaryJson = nlohmann::ordered_json;

constexpr int64_t kSummaryVersion = 1;
constexpr int kMostDepth = 6;
constexpr int64_t kMostBits = 32;
constexpr int64_t kMostWeights = int64_t{1} << 36;
constexpr size_t kMostTensors = 1 << 16;
constexpr size_t kMostValues = 1 << 20;
constexpr int64_t kMostNumber = int64_t{1} << 62;
constexpr double kMostSeconds = 1e11;
constexpr const char* kStatusNames[] = {"running", "stopped", "done"};

// --- writing

SummaryJson number(double value) { return std::isfinite(value) ? SummaryJson(value) : SummaryJson(); }

template <typename Number>
SummaryJson optional(const std::optional<Number>& value) {
  return value ? SummaryJson(*value) : SummaryJson();
}

SummaryJson json_of(const ModelResult& result) {
  return {{"file", result.file},
          {"epoch", result.epoch},
          {"top1", number(result.top1)},
          {"loss", number(result.loss)},
          {"split", result.split}};
}

SummaryJson json_of(const TensorBits& tensor) {
  return {{"name", tensor.name}, {"shape", tensor.shape},           {"weights", tensor.weights},
          {"bits", tensor.bits}, {"sign_bit", tensor.has_sign_bit}, {"scales", tensor.scales}};
}

SummaryJson json_of(const FloatTensor& tensor) { return {{"name", tensor.name}, {"shape", tensor.shape}}; }

SummaryJson json_of(const Sizes& sizes) {
  return {{"weights", sizes.weights},         {"bits_total", sizes.bits_total},
          {"stored_bits", sizes.stored_bits}, {"float32_bits", sizes.float32_bits},
          {"comp", number(sizes.comp())},     {"comp_stored", number(sizes.comp_stored())}};
}

SummaryJson json_of(const std::vector<std::pair<std::string, double>>& metrics) {
  auto object = SummaryJson::object();
  for (const auto& [name, value] : metrics) {
    object[name] = number(value);
  }
  return object;
}

template <typename Item>
SummaryJson list_of(const std::vector<Item>& items) {
  auto list = SummaryJson::array();
  for (const auto& item : items) {
    list.push_back(json_of(item));
  }
  return list;
}

std::string text_of(const SummaryJson& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, SummaryJson::error_handler_t::replace);
}

// A line a value; of lists of objects, a line an object.
std::string value_text(const SummaryJson& value) {
  if (!value.is_array() || value.empty() || !value[0].is_object()) {
    return text_of(value);
  }
  std::string text;
  for (const auto& item : value) {
    text += (text.empty() ? "[\n    " : ",\n    ") + text_of(item);
  }
  return text + "]";
}

// --- reading

// A value of the file with the words that name it.
class Field {
 public:
  Field(const SummaryJson& value, std::string where) : value_(value), where_(std::move(where)) {}

  [[noreturn]] void refuse(const std::string& expected) const {
    throw Error(where_ + ": " + (value_.is_null() ? "missing" : text_of(value_).substr(0, 40)) +
                "; expected " + expected);
  }

  Field operator[](const std::string& name) const {
    static const SummaryJson nothing;
    if (!value_.is_object()) {
      refuse("an object");
    }
    const auto at = value_.find(name);
    return {at == value_.end() ? nothing : *at, where_ + ": " + name};
  }

  std::string text() const {
    if (!value_.is_string()) {
      refuse("a text");
    }
    return value_.get<std::string>();
  }

  int64_t whole(int64_t low, int64_t high) const {
    const auto range = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
    const bool is_large = value_.is_number_unsigned() && value_.get<uint64_t>() > static_cast<uint64_t>(high);
    if (!value_.is_number_integer() || is_large || value_.get<int64_t>() < low ||
        value_.get<int64_t>() > high) {
      refuse(range);
    }
    return value_.get<int64_t>();
  }

  std::optional<int64_t> optional_whole() const {
    return value_.is_null() ? std::nullopt : std::optional(whole(0, kMostNumber));
  }

  // Percent; NaN for null.
  double percent() const {
    const double value = number();
    if (value < 0 || value > 100) {
      refuse("a number from 0 to 100");
    }
    return value;
  }

  // NaN for null, which stands for a number that is not known.
  double number() const {
    if (!value_.is_null() && !value_.is_number()) {
      refuse("a number");
    }
    return value_.is_null() ? std::nan("") : value_.get<double>();
  }

  bool flag() const {
    if (!value_.is_boolean()) {
      refuse("true or false");
    }
    return value_.get<bool>();
  }

  template <typename Read>
  auto list(const Read& read) const {
    if (!value_.is_array() || value_.size() > kMostTensors) {
      refuse("a list");
    }
    std::vector<decltype(read(*this))> items;
    for (const auto& item : value_) {
      items.push_back(read(Field(item, where_)));
    }
    return items;
  }

  template <typename Read>
  auto pairs(const Read& read) const {
    if (!value_.is_object()) {
      refuse("an object");
    }
    std::vector<std::pair<std::string, decltype(read(*this))>> items;
    for (const auto& [name, item] : value_.items()) {
      items.emplace_back(name, read(Field(item, where_ + ": " + name)));
    }
    return items;
  }

 private:
  const SummaryJson& value_;
  std::string where_;
};

std::string text_in(const Field& field) { return field.text(); }
double number_in(const Field& field) { return field.number(); }

std::map<std::string, std::string> texts_in(const Field& field) {
  const auto pairs = field.pairs(text_in);
  return {pairs.begin(), pairs.end()};
}

std::vector<int64_t> shape_in(const Field& field) {
  const auto shape = field.list([](const Field& size) { return size.whole(0, kMostWeights); });
  int64_t elements = 1;
  for (const int64_t size : shape) {
    elements = size == 0 || elements <= kMostWeights / size ? elements * size : kMostWeights + 1;
    if (elements > kMostWeights) {
      field.refuse("at most " + std::to_string(kMostWeights) + " elements");
    }
  }
  return shape;
}

FloatTensor float_in(const Field& field) { return {field["name"].text(), shape_in(field["shape"])}; }

TensorBits tensor_in(const Field& field) {
  TensorBits tensor;
  tensor.name = field["name"].text();
  tensor.shape = shape_in(field["shape"]);
  tensor.weights = FloatTensor{"", tensor.shape}.elements();
  tensor.bits = field["bits"].whole(0, kMostBits);
  tensor.has_sign_bit = field["sign_bit"].flag();
  tensor.scales = field["scales"].whole(0, kMostWeights);
  return tensor;
}

// A name, so that nothing outside of the run's folder is opened.
std::string file_in(const Field& field) {
  const auto name = field.text();
  if (name.find('/') != std::string::npos || name == "." || name == "..") {
    field.refuse("the name of a file in the run's folder");
  }
  return name;
}

ModelResult result_in(const Field& field) {
  return {file_in(field["file"]), field["epoch"].whole(-1, kMostNumber), field["top1"].percent(),
          field["loss"].number(), field["split"].text()};
}

RunStatus status_in(const Field& field) {
  const auto name = field.text();
  const auto* at = std::find(std::begin(kStatusNames), std::end(kStatusNames), name);
  if (at == std::end(kStatusNames)) {
    field.refuse("running, stopped or done");
  }
  return static_cast<RunStatus>(at - std::begin(kStatusNames));
}

SummaryJson parse_members(const std::string& text, const std::string& from) {
  bool is_sane = true;
  size_t values = 0;
  const auto watch = [&](int depth, SummaryJson::parse_event_t, SummaryJson&) {
    is_sane = is_sane && depth <= kMostDepth && ++values <= kMostValues;
    return is_sane;
  };
  auto value = SummaryJson::parse(text, watch, /*allow_exceptions=*/false);
  if (!is_sane || !value.is_object()) {
    throw Error(from + ": is not a JSON object of at most " + std::to_string(kMostValues) + " values in " +
                std::to_string(kMostDepth) + " levels; expected the summary of a run");
  }
  return value;
}

}  // namespace

std::string summary_text(const RunSummary& run) {
  const SummaryJson members = {{"version", kSummaryVersion},
                               {"program", run.program},
                               {"method", run.method},
                               {"status", kStatusNames[static_cast<int>(run.status)]},
                               {"architecture", run.architecture},
                               {"options", run.options},
                               {"activation_bits", run.activation_bits},
                               {"dataset", run.dataset},
                               {"epochs", run.epochs},
                               {"epochs_done", run.epochs_done},
                               {"seconds", number(run.seconds)},
                               {"started_from", run.started_from},
                               {"start", json_of(run.start)},
                               {"best", json_of(run.best)},
                               {"final", json_of(run.final)},
                               {"kept", json_of(run.kept)},
                               {"metrics", json_of(run.metrics)},
                               {"sizes", json_of(run.sizes())},
                               {"float_elements", run.float_elements},
                               {"macs", optional(run.macs)},
                               {"bit_operations", optional(run.bit_operations)},
                               {"tensors", list_of(run.tensors)},
                               {"floats", list_of(run.floats)},
                               {"versions", run.versions},
                               {"host", run.host},
                               {"threads", run.threads},
                               {"ranks", run.ranks},
                               {"precision", run.precision},
                               {"command", run.command}};
  std::string text;
  for (const auto& [name, value] : members.items()) {
    text += (text.empty() ? "{\n  " : ",\n  ") + text_of(SummaryJson(name)) + ": " + value_text(value);
  }
  return text + "\n}\n";
}

RunSummary parse_summary(const std::string& text, const std::string& from) {
  const auto members = parse_members(text, from);
  const Field file(members, from);
  file["version"].whole(kSummaryVersion, kSummaryVersion);
  RunSummary run;
  run.program = file["program"].text();
  run.method = file["method"].text();
  run.status = status_in(file["status"]);
  run.architecture = file["architecture"].text();
  run.options = texts_in(file["options"]);
  run.activation_bits = file["activation_bits"].whole(0, kMostBits);
  run.dataset = file["dataset"].text();
  run.epochs = file["epochs"].whole(0, kMostNumber);
  run.epochs_done = file["epochs_done"].whole(0, kMostNumber);
  run.seconds = file["seconds"].number();
  if (run.seconds < 0 || run.seconds > kMostSeconds) {
    file["seconds"].refuse("0 to 1e11 seconds");
  }
  run.started_from = file["started_from"].text();
  run.start = result_in(file["start"]);
  run.best = result_in(file["best"]);
  run.final = result_in(file["final"]);
  run.kept = result_in(file["kept"]);
  run.metrics = file["metrics"].pairs(number_in);
  run.float_elements = file["float_elements"].whole(0, kMostWeights);
  run.macs = file["macs"].optional_whole();
  run.bit_operations = file["bit_operations"].optional_whole();
  run.tensors = file["tensors"].list(tensor_in);
  run.floats = file["floats"].list(float_in);
  run.versions = texts_in(file["versions"]);
  run.host = file["host"].text();
  run.threads = file["threads"].whole(0, kMostNumber);
  run.ranks = file["ranks"].optional_whole().value_or(1);  // older files have none
  if (run.ranks < 1) {
    file["ranks"].refuse("1 or more");
  }
  run.precision = file["precision"].text();
  run.command = file["command"].list(text_in);
  return run;
}

}  // namespace bsq
