#include "bsq/io/checkpoint/checkpoint_json.h"

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "bsq/base/error.h"

namespace bsq {
namespace {

using nlohmann::json;

json scheme_json(const NetworkState& network) {
  json scheme = json::object();
  for (const auto& [name, tensor] : network) {
    if (tensor.encoding == Encoding::kFloat) continue;
    const size_t dot = name.rfind('.');
    const std::string last = dot == std::string::npos ? name : name.substr(dot + 1);
    if (dot == std::string::npos || (last != "weight" && last != "bias")) continue;
    json& widths = scheme[name.substr(0, dot)];
    if (widths.is_null()) widths = {0, 0};
    widths[last == "weight" ? 0 : 1] = tensor.bits;
  }
  return scheme;
}

/// The value of an untrusted text, or nothing if it is not JSON or nested deeper than anything here.
std::optional<json> parse(const std::string& text) {
  constexpr int kMaxDepth = 4;
  bool deep = false;
  const auto watch = [&deep](int depth, json::parse_event_t, json&) {
    deep = deep || depth > kMaxDepth;
    return !deep;
  };
  const json value = json::parse(text, watch, /*allow_exceptions=*/false);
  if (deep || value.is_discarded()) return std::nullopt;
  return value;
}

}  // namespace

std::string scheme_text(const NetworkState& network) { return scheme_json(network).dump(); }

bool is_scheme_of(const std::string& text, const NetworkState& network) {
  const std::optional<json> value = parse(text);
  return value && *value == scheme_json(network);
}

std::string options_text(const std::map<std::string, std::string>& options) {
  try {
    return json(options).dump();
  } catch (const json::exception&) {
    throw std::invalid_argument("an option that is not UTF-8");
  }
}

std::map<std::string, std::string> parse_options(const std::string& text, const std::string& where) {
  const std::optional<json> value = parse(text);
  if (!value || !value->is_object()) throw Error(where + " is not a JSON object of strings");
  std::map<std::string, std::string> options;
  for (const auto& [name, item] : value->items()) {
    if (!item.is_string()) throw Error(where + " is not a JSON object of strings");
    options[name] = item.get<std::string>();
  }
  return options;
}

std::string rules_text(const std::vector<std::pair<std::string, int64_t>>& rules) {
  json list = json::array();
  for (const auto& [pattern, bits] : rules) {
    list.push_back(json::array({pattern, bits}));
  }
  try {
    return list.dump();
  } catch (const json::exception&) {
    throw std::invalid_argument("a pattern that is not UTF-8");
  }
}

std::vector<std::pair<std::string, int64_t>> parse_rules(const std::string& text, const std::string& where) {
  const auto fail = [&] { throw Error(where + " is not a JSON array of patterns and bit widths, 0 to 32"); };
  const std::optional<json> value = parse(text);
  if (!value || !value->is_array()) fail();
  std::vector<std::pair<std::string, int64_t>> rules;
  for (const json& item : *value) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string() || !item[1].is_number_integer()) fail();
    const auto bits = item[1].get<int64_t>();
    if (bits < 0 || bits > 32) fail();
    rules.emplace_back(item[0].get<std::string>(), bits);
  }
  return rules;
}

std::string names_text(const std::vector<std::string>& names) {
  try {
    return json(names).dump();
  } catch (const json::exception&) {
    throw std::invalid_argument("a name that is not UTF-8");
  }
}

std::vector<std::string> parse_names(const std::string& text, const std::string& where) {
  const std::optional<json> value = parse(text);
  if (!value || !value->is_array()) throw Error(where + " is not a JSON array of strings");
  std::vector<std::string> names;
  for (const json& item : *value) {
    if (!item.is_string()) throw Error(where + " is not a JSON array of strings");
    names.push_back(item.get<std::string>());
  }
  return names;
}

}  // namespace bsq
