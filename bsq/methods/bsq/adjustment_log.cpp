#include "bsq/methods/bsq/adjustment_log.h"

#include <algorithm>
#include <cstdlib>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>

#include "bsq/base/error.h"

namespace bsq {
namespace {

constexpr size_t kFirstTensor = 3;
constexpr int64_t kMostBits = 64;
// A row takes a cell for every tensor, and its name.
constexpr size_t kMostRecordBytes = size_t{96} << 20;

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  size_t begin = 0;
  for (size_t comma = line.find(','); comma != std::string::npos; comma = line.find(',', begin)) {
    cells.push_back(line.substr(begin, comma - begin));
    begin = comma + 1;
  }
  cells.push_back(line.substr(begin));
  return cells;
}

double number(const std::string& cell, const std::string& from) {
  char* end = nullptr;
  const double value = std::strtod(cell.c_str(), &end);
  if (cell.empty() || *end != '\0') {
    throw Error(from + ": '" + cell.substr(0, 40) + "'; expected a number");
  }
  return value;
}

int64_t integer(const std::string& cell, int64_t most, const std::string& from) {
  const double value = number(cell, from);
  if (!(value >= 0 && value <= static_cast<double>(most)) ||
      value != static_cast<double>(static_cast<int64_t>(value))) {
    throw Error(from + ": " + cell.substr(0, 40) + "; expected a whole number up to " + std::to_string(most));
  }
  return static_cast<int64_t>(value);
}

}  // namespace

std::vector<std::string> adjusted_tensors(const std::vector<Adjustment>& adjustments) {
  std::vector<std::string> names;
  std::set<std::string> known;
  for (const auto& adjustment : adjustments) {
    auto place = names.begin();
    for (const auto& [name, bits] : adjustment.bits) {
      if (known.insert(name).second) {
        place = names.insert(place, name);
      } else {
        const auto found = std::find(place, names.end(), name);  // the next one, as a rule
        place = found == names.end() ? std::find(names.begin(), names.end(), name) : found;
      }
      ++place;
    }
  }
  return names;
}

std::string adjustment_log_text(const std::vector<Adjustment>& adjustments) {
  const auto names = adjusted_tensors(adjustments);
  std::ostringstream text;
  text << "epoch,comp,comp_stored" << std::setprecision(9);
  for (const auto& name : names) {
    text << "," << name;
  }
  text << "\n";
  for (const auto& adjustment : adjustments) {
    text << adjustment.epoch << "," << adjustment.comp << "," << adjustment.comp_stored;
    const std::map<std::string, int64_t> widths(adjustment.bits.begin(), adjustment.bits.end());
    for (const auto& name : names) {
      const auto found = widths.find(name);
      text << "," << (found == widths.end() ? "" : std::to_string(found->second));
    }
    text << "\n";
  }
  return text.str();
}

std::vector<Adjustment> parse_adjustment_log(const std::string& text, const std::string& from) {
  std::istringstream in(text);
  std::string line;
  std::getline(in, line);
  const auto names = cells_of(line);
  if (names.size() < kFirstTensor || names[0] != "epoch" || names[1] != "comp" || names[2] != "comp_stored") {
    throw Error(from + ": does not begin with epoch,comp,comp_stored; expected a record of adjustments");
  }
  const size_t row_bytes = 2 * line.size() + names.size() * sizeof(Adjustment::bits[0]);
  std::vector<Adjustment> adjustments;
  while (std::getline(in, line)) {
    if (adjustments.size() * row_bytes > kMostRecordBytes) {
      throw Error(from + ": more than " + std::to_string(adjustments.size()) + " lines of " +
                  std::to_string(names.size()) + " cells; expected a record of adjustments");
    }
    const auto cells = cells_of(line);
    if (cells.size() != names.size()) {
      throw Error(from + ": a line of " + std::to_string(cells.size()) + " cells; expected " +
                  std::to_string(names.size()));
    }
    Adjustment adjustment{
        integer(cells[0], int64_t{1} << 40, from), number(cells[1], from), number(cells[2], from), {}};
    for (size_t i = kFirstTensor; i < cells.size(); ++i) {
      if (!cells[i].empty()) {
        adjustment.bits.emplace_back(names[i], integer(cells[i], kMostBits, from));
      }
    }
    adjustments.push_back(std::move(adjustment));
  }
  return adjustments;
}

}  // namespace bsq
