#include "tools/cli/layer_log.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <sstream>

#include "bsq/base/error.h"

namespace bsq::cli {
namespace {

constexpr const char* kColumns = "epoch,tensor,bits,scale,mean_integer,changed_percent";
constexpr size_t kCells = 6;
constexpr double kMuch = 10;

std::string line_of(int64_t epoch, const LayerRecord& record) {
  std::ostringstream line;
  line << std::setprecision(6) << epoch << "," << record.tensor << "," << record.bits << "," << record.scale
       << "," << record.mean_integer << ",";
  if (!std::isnan(record.changed_percent)) {
    line << record.changed_percent;
  }
  return line.str();
}

}  // namespace

std::vector<std::string> LayerLog::add(int64_t epoch, const std::vector<LayerRecord>& records) {
  std::vector<std::string> warnings;
  for (const auto& record : records) {
    rows_.emplace_back(epoch, line_of(epoch, record));
    if (record.bits == 0) {
      continue;  // its scale stands for nothing
    }
    take_scale(record.tensor, record.scale);
    const double first = first_scales_.at(record.tensor);
    const bool has_turned = record.scale * first < 0;
    if ((has_turned || std::abs(record.scale) > kMuch * std::abs(first)) && !is_told_[record.tensor]) {
      is_told_[record.tensor] = true;
      std::ostringstream text;
      text << record.tensor << ": its scale went from " << first << " to " << record.scale
           << (has_turned ? "; it has changed its sign" : "; it has grown tenfold")
           << " (a lower --lr may help)";
      warnings.push_back(text.str());
    }
  }
  return warnings;
}

void LayerLog::take_scale(const std::string& tensor, double scale) {
  if (scale != 0) {
    first_scales_.emplace(tensor, scale);
  }
  first_scales_.emplace(tensor, 0);
}

std::string LayerLog::text() const {
  std::string text = std::string(kColumns) + "\n";
  for (const auto& [epoch, line] : rows_) {
    text += line + "\n";
  }
  return text;
}

void LayerLog::read() {
  std::ifstream in(path_);
  std::string line;
  if (!in || !std::getline(in, line)) {
    return;
  }
  if (line != kColumns) {
    throw Error(path_ + ": does not begin with " + kColumns + "; expected a record of layers");
  }
  while (std::getline(in, line)) {
    std::vector<std::string> cells;
    std::istringstream text(line);
    for (std::string cell; std::getline(text, cell, ',');) {
      cells.push_back(cell);
    }
    char* end = nullptr;
    const auto epoch = cells.empty() ? 0 : std::strtoll(cells[0].c_str(), &end, /*base=*/10);
    if (cells.size() + 1 < kCells || end == nullptr || *end != '\0' || epoch < 0) {
      throw Error(path_ + ": '" + line.substr(0, 40) + "'; expected " + kColumns);
    }
    take_scale(cells[1], std::strtod(cells[3].c_str(), nullptr));
    rows_.emplace_back(epoch, line);
  }
}

void LayerLog::go_back_to(const TrainingState& state) {
  if (rows_.empty()) {
    read();
  }
  const auto comes_again = [&](const auto& row) { return row.first >= state.next_epoch; };
  rows_.erase(std::remove_if(rows_.begin(), rows_.end(), comes_again), rows_.end());
}

}  // namespace bsq::cli
