#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bsq {

/// A network's widths after one precision adjustment.
struct Adjustment {
  int64_t epoch;  ///< before which it was made; the number of epochs for the final one
  double comp, comp_stored;
  std::vector<std::pair<std::string, int64_t>> bits;  ///< tensor to width
};

/// The tensors that have bits after any of these adjustments, in the order in which a network has them. A
/// tensor may get its bits on the way, and lose them.
std::vector<std::string> adjusted_tensors(const std::vector<Adjustment>& adjustments);

/// The text of a run's adjustments.csv: `epoch,comp,comp_stored` and a column a tensor, a line an adjustment.
/// The cell of a tensor that has no bits yet is empty.
std::string adjustment_log_text(const std::vector<Adjustment>& adjustments);
/// Reads it back. Throws bsq::Error that names `from` for any other text, and for one that
/// would take more than 96 MiB.
std::vector<Adjustment> parse_adjustment_log(const std::string& text, const std::string& from);

}  // namespace bsq
