#include "tools/sweep/grid.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

constexpr int kRangeDigits = 4;
constexpr int kListDigits = 12;
constexpr long kMostValues = 1000;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

[[noreturn]] void refuse(const std::string& flag, const std::string& text, const std::string& expected) {
  throw UsageError(flag + " " + text + ": expected " + expected);
}

double parse_number(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value) || value < 0) {
    refuse(flag, text, "a number of 0 or more, a list (1e-3,2e-3) or a range (1e-3:2e-2:log:6)");
  }
  return value;
}

std::vector<std::string> parse_range(const std::string& flag, const std::string& text) {
  const auto parts = split(text, ':');
  if (parts.size() != 4 || (parts[2] != "log" && parts[2] != "lin")) {
    refuse(flag, text, "FROM:TO:log:COUNT or FROM:TO:lin:COUNT");
  }
  const bool is_log = parts[2] == "log";
  const double from = parse_number(flag, parts[0]);
  const double to = parse_number(flag, parts[1]);
  const double count = parse_number(flag, parts[3]);
  if (count != std::floor(count) || count < 2 || count > kMostValues || (is_log && (from <= 0 || to <= 0))) {
    refuse(flag, text, "2 to 1000 values, on a log scale above 0");
  }
  std::vector<std::string> values;
  for (double i = 0; i < count; ++i) {
    const double part = i / (count - 1);
    const double value = is_log ? from * std::pow(to / from, part) : from + (to - from) * part;
    values.push_back(number_text(value, kRangeDigits));
  }
  return values;
}

void refuse_twins(const std::string& flag, const std::vector<std::string>& values) {
  auto sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const auto twin = std::adjacent_find(sorted.begin(), sorted.end());
  if (twin != sorted.end()) {
    refuse(flag, *twin, "every value once");
  }
}

bool is_range(const std::string& text) {
  const auto parts = split(text, ':');
  return parts.size() == 4 && (parts[2] == "log" || parts[2] == "lin");
}

}  // namespace

std::string number_text(double value, int digits) {
  std::ostringstream text;
  text.precision(digits);
  text << value;
  return text.str();
}

std::vector<std::string> parse_numbers(const std::string& flag, const std::string& text) {
  std::vector<std::string> values;
  if (text.find(':') != std::string::npos) {
    values = parse_range(flag, text);
  } else {
    for (const auto& part : split(text, ',')) {
      values.push_back(number_text(parse_number(flag, part), kListDigits));
    }
  }
  refuse_twins(flag, values);
  return values;
}

std::vector<std::string> parse_integers(const std::string& flag, const std::string& text) {
  const auto values = parse_numbers(flag, text);
  for (const auto& value : values) {
    if (value.find_first_not_of("0123456789") != std::string::npos) {
      refuse(flag, value, "whole numbers");
    }
  }
  return values;
}

Axis parse_axis(const std::string& flag, const std::string& text) {
  const auto equals = text.find('=');
  Axis axis;
  axis.name = text.substr(0, equals);
  if (equals == std::string::npos || axis.name.empty() || axis.name[0] == '-' || equals + 1 == text.size()) {
    refuse(flag, text, "NAME=VALUE,VALUE, the name without dashes");
  }
  const auto values = text.substr(equals + 1);
  axis.values = is_range(values) ? parse_range(flag, values) : split(values, ',');
  refuse_twins(flag, axis.values);
  return axis;
}

std::vector<PointValues> expand(const std::vector<Axis>& axes) {
  std::vector<PointValues> points = {{}};
  for (const auto& axis : axes) {
    std::vector<PointValues> longer;
    for (const auto& point : points) {
      for (const auto& value : axis.values) {
        longer.push_back(point);
        longer.back().emplace_back(axis.name, value);
      }
    }
    points = std::move(longer);
  }
  return points;
}

std::string name_of(const PointValues& values) {
  std::string name;
  for (const auto& [flag, value] : values) {
    name += (name.empty() ? "" : "-") + flag + "-" + value;
  }
  for (char& c : name) {
    const bool is_plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '+';
    c = is_plain ? c : '_';
  }
  return name;
}

}  // namespace bsq::cli
