#include "bsq/train/run_log.h"

#include <iomanip>
#include <sstream>

namespace bsq {

std::string run_log_text(const std::vector<std::string>& columns, const std::vector<EpochRecord>& history) {
  std::ostringstream text;
  for (const auto& column : columns) {
    text << column << "\t";
  }
  text << "\n" << std::fixed << std::setprecision(6);
  for (const auto& record : history) {
    for (const double value : record) {
      text << value << "\t";
    }
    text << "\n";
  }
  return text.str();
}

}  // namespace bsq
