#include "bsq/base/options.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <set>

#include "bsq/base/spelling.h"

namespace bsq {
namespace {

constexpr const char* kBlanks = " \t\n";

bool read(const std::string& text, bool& value) {
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  value = lower == "true" || lower == "yes" || lower == "on" || lower == "1";
  return value || lower == "false" || lower == "no" || lower == "off" || lower == "0";
}

template <typename Number>
bool read_number(const std::string& text, Number& value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

bool read(const std::string& text, int64_t& value) { return read_number(text, value); }
bool read(const std::string& text, uint64_t& value) { return read_number(text, value); }
bool read(const std::string& text, double& value) { return read_number(text, value) && std::isfinite(value); }

bool read(const std::string& text, std::string& value) {
  value = text;
  return true;
}

template <typename T>
bool read(const std::string& text, std::optional<T>& value) {
  T inner{};
  const bool is_good = read(text, inner);
  value = std::move(inner);
  return is_good;
}

template <typename T>
bool read(const std::string& text, std::vector<T>& value) {
  value.clear();
  try {
    for (const auto& entry : list_entries(text)) {
      value.emplace_back();
      if (!read(entry, value.back())) {
        return false;
      }
    }
  } catch (const std::invalid_argument&) {
    return false;
  }
  return true;
}

bool read(const std::string& text, OptionLines& value) {
  value.lines.clear();
  for (size_t from = 0; from <= text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    value.lines.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return true;
}

std::string print(bool value) { return value ? "true" : "false"; }
std::string print(int64_t value) { return std::to_string(value); }
std::string print(uint64_t value) { return std::to_string(value); }
std::string print(double value) { return shortest_text(value); }
std::string print(const std::string& value) { return value; }

template <typename T>
std::string print(const std::optional<T>& value) {
  return value ? print(*value) : "";
}

template <typename T>
std::string print(const std::vector<T>& value) {
  constexpr const char* kSeparator = std::is_same_v<T, std::string> ? "," : " ";
  std::string text;
  for (const auto& entry : value) {
    text += (text.empty() ? "" : kSeparator) + print(entry);
  }
  return text;
}

std::string print(const OptionLines& value) {
  std::string text;
  for (const auto& line : value.lines) {
    text += (text.empty() ? "" : "\n") + line;
  }
  return text;
}

struct Range {
  double low, high;
};

bool is_inside(double value, const Range& range) { return value >= range.low && value <= range.high; }
bool is_inside(int64_t value, const Range& range) { return is_inside(static_cast<double>(value), range); }
bool is_inside(uint64_t value, const Range& range) { return is_inside(static_cast<double>(value), range); }
template <typename T>
bool is_inside(const T&, const Range&) {
  return true;  // no number
}
template <typename T>
bool is_inside(const std::optional<T>& value, const Range& range) {
  return !value || is_inside(*value, range);
}
template <typename T>
bool is_inside(const std::vector<T>& value, const Range& range) {
  return std::all_of(value.begin(), value.end(), [&](const T& entry) { return is_inside(entry, range); });
}

// What a value is called where another text was found; an entry of a list is called as the list.
struct KindName {
  const char* operator()(const bool*) const { return "true or false"; }
  const char* operator()(const int64_t*) const { return "a whole number"; }
  const char* operator()(const uint64_t*) const { return "a whole number"; }
  const char* operator()(const double*) const { return "a number"; }
  const char* operator()(const std::string*) const { return "a text"; }
  const char* operator()(const std::vector<int64_t>*) const { return "whole numbers"; }
  const char* operator()(const std::vector<std::string>*) const { return "a list without empty entries"; }
  const char* operator()(const OptionLines*) const { return "texts"; }
  template <typename T>
  const char* operator()(const std::optional<T>*) const {
    return (*this)(static_cast<const T*>(nullptr));
  }
};

// "cpu, cuda or tpu".
std::string alternatives(const std::vector<std::string>& choices) {
  std::string text;
  for (size_t i = 0; i < choices.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i];
  }
  return text;
}

// A bound of a range: whole numbers in full.
std::string bound_text(double value) {
  constexpr double kLargestWhole = 1e15;
  const bool is_whole = std::floor(value) == value && std::abs(value) <= kLargestWhole;
  return is_whole ? std::to_string(static_cast<int64_t>(value)) : shortest_text(value);
}

std::vector<std::string> all_names(const Option& option) {
  std::vector<std::string> names = {option.name()};
  names.insert(names.end(), option.aliases().begin(), option.aliases().end());
  for (const auto& word : option.words()) {
    names.push_back(word.name);
  }
  return names;
}

// What one source says of one option.
struct Request {
  Option* option;
  std::string spelled, text;
};

// Entries of a list that come one by one are put together; any other option comes once.
void add_request(std::vector<Request>& requests, Option& option, const std::string& name,
                 const std::string& text) {
  const auto same = std::find_if(requests.begin(), requests.end(),
                                 [&](const Request& request) { return request.option == &option; });
  if (same == requests.end()) {
    requests.push_back({&option, name, text});
  } else if (option.is_list()) {
    same->text += "\n" + text;
  } else {
    throw OptionError("--" + name + ": given twice" +
                      (same->spelled == name ? "" : ", also as --" + same->spelled) + "; expected once");
  }
}

bool is_on(const std::string& word, const std::string& text) {
  bool value = false;
  if (!read(text, value)) {
    throw OptionError("--" + word + " " + text + ": expected true or false");
  }
  return value;
}

}  // namespace

const char* to_string(ResumeRule rule) {
  constexpr std::array<const char*, 4> kNames = {"fixed", "override", "free", "call"};
  return kNames.at(static_cast<size_t>(rule));
}

std::string shortest_text(double value) {
  constexpr int kFirstDigits = 6;
  constexpr int kMostDigits = 17;
  std::array<char, 32> text{};
  for (int digits = kFirstDigits; digits <= kMostDigits; ++digits) {
    std::snprintf(text.data(), text.size(), "%.*g", digits, value);
    double again = 0;
    if (read_number(std::string(text.data()), again) && again == value) {
      break;
    }
  }
  return text.data();
}

std::vector<std::string> list_entries(const std::string& text) {
  std::vector<std::string> entries;
  bool needs_entry = false;  // behind a comma
  for (size_t at = 0; (at = text.find_first_not_of(kBlanks, at)) != std::string::npos;) {
    if (text[at] == ',') {
      if (needs_entry || entries.empty()) {
        throw std::invalid_argument("'" + text + "': a comma without an entry");
      }
      needs_entry = true;
      ++at;
      continue;
    }
    const auto end = std::min(text.find_first_of(std::string(kBlanks) + ",", at), text.size());
    entries.push_back(text.substr(at, end - at));
    needs_entry = false;
    at = end;
  }
  if (needs_entry) {
    throw std::invalid_argument("'" + text + "': a comma without an entry");
  }
  return entries;
}

Option::Option(std::string name, Target target, std::string help, std::string section)
    : name_(std::move(name)), target_(target), help_(std::move(help)), section_(std::move(section)) {
  default_text_ = default_value_ = is_switch() ? "" : text();
  spelled_ = "--" + name_;
}

Option& Option::alias(const std::string& name) {
  aliases_.push_back(name);
  return *this;
}

Option& Option::letter(char letter) {
  letter_ = letter;
  return *this;
}

Option& Option::word(const std::string& name, const std::string& text) {
  words_.push_back({name, text, /*yields=*/false});
  return *this;
}

Option& Option::yielding_word(const std::string& name, const std::string& text) {
  words_.push_back({name, text, /*yields=*/true});
  return *this;
}

Option& Option::range(double low, double high) {
  range_ = {low, high};
  return *this;
}

Option& Option::one_of(std::vector<std::string> choices) {
  choices_ = std::move(choices);
  return *this;
}

Option& Option::verify(std::function<std::string()> expected) {
  verify_ = std::move(expected);
  return *this;
}

Option& Option::needs(std::function<std::string()> why_not) {
  needs_.push_back(std::move(why_not));
  return *this;
}

Option& Option::stored_if_given() {
  stored_if_given_ = true;
  return *this;
}

bool Option::is_stored() const {
  return rule_ != ResumeRule::kCall && has_value() && (is_given() || !stored_if_given_);
}

Option& Option::only_training() {
  only_training_ = true;
  return *this;
}

Option& Option::resume(ResumeRule rule) {
  rule_ = rule;
  return *this;
}

Option& Option::value_name(const std::string& name) {
  value_name_ = name;
  return *this;
}

Option& Option::default_text(const std::string& text) {
  default_text_ = text;
  return *this;
}

bool Option::is_switch() const { return std::holds_alternative<bool*>(target_); }

bool Option::is_list() const {
  return std::holds_alternative<std::vector<int64_t>*>(target_) ||
         std::holds_alternative<std::vector<std::string>*>(target_) ||
         std::holds_alternative<OptionLines*>(target_);
}

bool Option::has_value() const {
  return std::visit(
      [](const auto* target) {
        using Optional = std::decay_t<decltype(*target)>;
        if constexpr (std::is_constructible_v<Optional, std::nullopt_t>) {
          return target->has_value();
        } else {
          return true;
        }
      },
      target_);
}

std::string Option::text() const {
  return std::visit([](const auto* target) { return print(*target); }, target_);
}

std::string Option::expected() const {
  if (!choices_.empty()) {
    return alternatives(choices_);
  }
  std::string text = std::visit([](const auto* target) { return KindName()(target); }, target_);
  if (range_) {
    text += " from " + bound_text(range_->first) + " to " + bound_text(range_->second);
  }
  return text;
}

void Option::refuse(const std::string& text, const std::string& expected) const {
  auto shown = text.empty() ? "''" : text;
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  throw OptionError(spelled_ + " " + shown + ": expected " + expected);
}

bool Option::is_choice(const std::string& text) const {
  const auto entries = is_list() ? list_entries(text) : std::vector<std::string>{text};
  return std::all_of(entries.begin(), entries.end(), [&](const std::string& entry) {
    return std::find(choices_.begin(), choices_.end(), entry) != choices_.end();
  });
}

void Option::set(const std::string& text, OptionSource source, const std::string& spelled) {
  spelled_ = "--" + (spelled.empty() ? name_ : spelled);
  const bool is_good = std::visit(
      [&](auto* target) {
        return read(text, *target) && (!range_ || is_inside(*target, Range{range_->first, range_->second}));
      },
      target_);
  if (!is_good || (!choices_.empty() && !is_choice(text))) {
    refuse(text, expected());
  }
  if (verify_) {
    if (const auto expected = verify_(); !expected.empty()) {
      refuse(text, expected);
    }
  }
  source_ = source;
}

void Option::set_word(const OptionWord& word, OptionSource source) {
  if (word.yields) {
    if (source_ != source && text() == default_value_) {
      set(word.text, source, word.name);
    }
    return;
  }
  if (source_ == source && text() != word.text) {
    throw OptionError("--" + word.name + ": contradicts " + spelled_ + " " + text());
  }
  set(word.text, source, word.name);
}

std::string Option::why_not() const {
  for (const auto& need : needs_) {
    if (auto reason = need(); !reason.empty()) {
      return reason;
    }
  }
  return "";
}

Option& OptionTable::add(const std::string& name, Option::Target target, const std::string& help) {
  if (knows(name)) {
    throw std::logic_error("--" + name + ": two options of one name");
  }
  return options_.emplace_back(name, target, help, section_);
}

const Option* OptionTable::find(const std::string& name) const {
  for (const auto& option : options_) {
    const auto& aliases = option.aliases();
    if (option.name() == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end()) {
      return &option;
    }
  }
  return nullptr;
}

Option* OptionTable::find(const std::string& name) {
  return const_cast<Option*>(std::as_const(*this).find(name));
}

std::pair<const Option*, const OptionWord*> OptionTable::find_word(const std::string& name) const {
  for (const auto& option : options_) {
    for (const auto& word : option.words()) {
      if (word.name == name) {
        return {&option, &word};
      }
    }
  }
  return {nullptr, nullptr};
}

bool OptionTable::knows(const std::string& name) const {
  return std::any_of(options_.begin(), options_.end(), [&](const Option& option) {
    const auto names = all_names(option);
    return std::find(names.begin(), names.end(), name) != names.end();
  });
}

Option& OptionTable::at(const std::string& name) {
  if (auto* option = find(name)) {
    return *option;
  }
  throw OptionError(unknown_text(name));
}

void OptionTable::set(const std::string& name, const std::string& text, OptionSource source) {
  at(name).set(text, source, name);
}

void OptionTable::set_all(const OptionTexts& texts, OptionSource source) {
  std::vector<Request> requests;
  std::vector<const OptionWord*> words;
  std::set<const Option*> taken_back;
  for (const auto& [name, text] : texts) {
    const auto [option, word] = find_word(name);
    if (word == nullptr) {
      add_request(requests, at(name), name, text);
    } else if (is_on(name, text)) {
      words.push_back(word);
    } else {
      taken_back.insert(option);
    }
  }
  for (const auto& request : requests) {
    if (taken_back.count(request.option) == 0) {
      request.option->set(request.text, source, request.spelled);
    }
  }
  for (const auto* word : words) {
    find(find_word(word->name).first->name())->set_word(*word, source);
  }
}

std::optional<std::string> OptionTable::said(const OptionTexts& texts, const std::string& name) const {
  std::optional<std::string> found;
  for (const auto& [written, text] : texts) {
    const auto [owner, word] = find_word(written);
    const auto* option = word == nullptr ? find(written) : owner;
    if (option == nullptr || option->name() != name) {
      continue;
    }
    if (word == nullptr) {
      found = text;
    } else if (is_on(written, text)) {
      found = word->text;
    }
  }
  return found;
}

std::map<std::string, std::string> OptionTable::values() const {
  std::map<std::string, std::string> values;
  for (const auto& option : options_) {
    if (option.is_stored()) {
      values[option.name()] = option.text();
    }
  }
  return values;
}

void OptionTable::check() const {
  std::string names;
  std::string reason;
  for (const auto& option : options_) {
    if (option.source() != OptionSource::kCall) {
      continue;
    }
    const auto why_not = option.why_not();
    if (!why_not.empty() && (reason.empty() || why_not == reason)) {
      names += (names.empty() ? "" : ", ") + option.spelled();
      reason = why_not;
    }
  }
  if (!names.empty()) {
    throw OptionError(names + ": " + reason);
  }
}

std::string OptionTable::unknown_text(const std::string& name) const {
  std::vector<std::string> known;
  for (const auto& option : options_) {
    const auto names = all_names(option);
    known.insert(known.end(), names.begin(), names.end());
  }
  const auto nearest = nearest_word(name, known);
  return "--" + name + ": no such option" + (nearest.empty() ? "" : "; did you mean --" + nearest + "?");
}

}  // namespace bsq
