#include "tools/cli/option_text.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <vector>

#include "tools/cli/usage_error.h"

namespace bsq::cli {

std::string shortest(double value) {
  for (int digits = 6; digits < 18; ++digits) {
    std::ostringstream text;
    text.precision(digits);
    text << value;
    if (std::stod(text.str()) == value) {
      return text.str();
    }
  }
  return std::to_string(value);
}

std::string ini_of(const std::string& name, const boost::program_options::variable_value& holder) {
  std::ostringstream text;
  const boost::any& value = holder.value();
  if (const auto* list = boost::any_cast<std::vector<int64_t>>(&value)) {
    for (const int64_t item : *list) {
      text << name << " = " << item << "\n";
    }
  } else if (const auto* flag = boost::any_cast<bool>(&value)) {
    text << name << " = " << (*flag ? "true" : "false") << "\n";
  } else if (const auto* word = boost::any_cast<std::string>(&value)) {
    text << name << " = " << *word << "\n";
  } else if (const auto* integer = boost::any_cast<int64_t>(&value)) {
    text << name << " = " << *integer << "\n";
  } else {
    text << name << " = " << shortest(boost::any_cast<double>(value)) << "\n";
  }
  return text.str();
}

void require_ini_can_hold(const std::string& name, const boost::program_options::variable_value& value) {
  const auto* word = boost::any_cast<std::string>(&value.value());
  if (word == nullptr || word->empty()) {
    return;
  }
  const auto is_blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  if (word->find_first_of("#\n\r") != std::string::npos || is_blank(word->front()) ||
      is_blank(word->back())) {
    throw UsageError("--" + name + " '" + *word +
                     "': expected a text without '#', line breaks and blanks at its ends, which a run's "
                     "configuration cannot hold");
  }
}

std::string ini_line_of(const std::string& name, const boost::program_options::variable_value& value) {
  std::string text = ini_of(name, value);
  text.erase(text.find_last_not_of('\n') + 1);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace bsq::cli
