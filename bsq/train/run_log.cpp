#include "bsq/train/run_log.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iomanip>
#include <iterator>
#include <sstream>

#include "bsq/base/error.h"

namespace bsq {
namespace {

constexpr const char* kEpoch = "Epoch";
constexpr size_t kMostColumns = 1000;
// A line takes the memory of some numbers more.
constexpr size_t kMostNumbers = size_t{6} << 20, kLineCost = 8;
const std::vector<std::string> kPublished = {"Learning Rate", "Train Loss", "Valid Loss", "Train Acc.",
                                             "Valid Acc.",    "Reg Loss",   "Comp"};

size_t published_columns(const std::vector<std::string>& columns) {
  size_t count = 0;
  while (count < columns.size() &&
         std::find(kPublished.begin(), kPublished.end(), columns[count]) != kPublished.end()) {
    ++count;
  }
  return count;
}

std::string line_of(const std::vector<std::string>& cells, char separator) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    line += (i == 0 ? "" : std::string(1, separator)) + cells[i];
  }
  return line + "\n";
}

// "valid_acc" of "Valid Acc.".
std::string plain_name(const std::string& column) {
  std::string name;
  for (const char c : column) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      name.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    } else if (!name.empty() && name.back() != '_') {
      name.push_back('_');
    }
  }
  return name.substr(0, name.find_last_not_of('_') + 1);
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream text(line);
  for (std::string cell; cells.size() <= kMostColumns && std::getline(text, cell, '\t');) {
    cells.push_back(cell);
  }
  return cells;
}

std::string number_text(double value) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(6) << value;
  return text.str();
}

EpochRecord numbers_of(const std::vector<std::string>& cells, size_t columns, const std::string& where) {
  if (cells.size() != columns) {
    throw Error(where + ": " + std::to_string(cells.size()) + " values; expected " + std::to_string(columns));
  }
  EpochRecord numbers;
  for (const auto& cell : cells) {
    char* end = nullptr;
    numbers.push_back(std::strtod(cell.c_str(), &end));
    if (cell.empty() || *end != '\0') {
      throw Error(where + ": '" + cell.substr(0, 40) + "'; expected a number");
    }
  }
  return numbers;
}

int64_t epoch_of(double number, const std::string& from) {
  constexpr double kMostEpochs = 1e9;
  if (!(number >= 0 && number <= kMostEpochs)) {
    throw Error(from + ": epoch " + number_text(number) + "; expected 0 or more");
  }
  return static_cast<int64_t>(number);
}

// Lines of these names and of the log's numbers, with the epoch at a place among them.
std::string table_of(const RunLog& log, const std::vector<std::string>& names, std::ptrdiff_t place,
                     char separator) {
  auto text = line_of(names, separator);
  int64_t epoch = log.first_epoch;
  for (const auto& record : log.history) {
    std::vector<std::string> cells(record.size());
    std::transform(record.begin(), record.end(), cells.begin(), number_text);
    cells.insert(cells.begin() + place, std::to_string(epoch++));
    text += line_of(cells, separator);
  }
  return text;
}

// Takes the column of epochs out of a log that has one.
void take_epochs(RunLog& log, const std::string& from) {
  const auto at = std::find(log.columns.begin(), log.columns.end(), kEpoch);
  if (at == log.columns.end()) {
    return;
  }
  const auto column = at - log.columns.begin();
  log.first_epoch =
      log.history.empty() ? 0 : epoch_of(log.history.front()[static_cast<size_t>(column)], from);
  log.columns.erase(at);
  for (auto& record : log.history) {
    record.erase(record.begin() + column);
  }
}

}  // namespace

std::string run_log_text(const RunLog& log) {
  const auto place = static_cast<std::ptrdiff_t>(published_columns(log.columns));
  auto names = log.columns;
  names.insert(names.begin() + place, kEpoch);
  return table_of(log, names, place, '\t');
}

std::string run_log_csv(const RunLog& log) {
  std::vector<std::string> names = {"epoch"};
  std::transform(log.columns.begin(), log.columns.end(), std::back_inserter(names), plain_name);
  return table_of(log, names, /*place=*/0, ',');
}

RunLog parse_run_log(const std::string& text, const std::string& from) {
  RunLog log;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  log.columns = cells_of(line);
  if (log.columns.empty()) {
    throw Error(from + ": no column names; expected the log of a run");
  }
  if (log.columns.size() > kMostColumns) {
    throw Error(from + ": more than " + std::to_string(kMostColumns) + " columns; expected the log of a run");
  }
  for (int64_t number = 2; std::getline(lines, line); ++number) {
    if (log.history.size() * (log.columns.size() + kLineCost) >= kMostNumbers) {
      throw Error(from + ": more than " + std::to_string(log.history.size()) + " lines of " +
                  std::to_string(log.columns.size()) + " numbers; expected the log of a run");
    }
    log.history.push_back(
        numbers_of(cells_of(line), log.columns.size(), from + ": line " + std::to_string(number)));
  }
  take_epochs(log, from);
  return log;
}

RunLog run_log_of(const TrainingState& state) {
  return {state.columns, state.next_epoch - static_cast<int64_t>(state.history.size()), state.history};
}

}  // namespace bsq
