#pragma once

#include <chrono>
#include <iosfwd>
#include <string>
#include <vector>

#include "tools/sweep/result.h"

namespace bsq::cli {

/// The table of a sweep: state, sizes and accuracy of every point.
std::string table_of(const std::vector<Entry>& entries);

/// Shows a sweep while it runs: a table that redraws itself on a terminal, a line an event elsewhere.
class Board {
 public:
  Board(std::ostream& out, bool is_terminal) : out_(out), is_terminal_(is_terminal) {}

  /// Something happened: a line, but on a terminal, where the table shows it.
  void tell(const std::string& line);
  /// Something went wrong that does not end the sweep: a line, on a terminal too.
  void warn(const std::string& line);
  /// Draws the table on a terminal, a few times a second at most unless `now`.
  void draw(const std::vector<Entry>& entries, bool now = false);

 private:
  std::ostream& out_;
  bool is_terminal_;
  int lines_ = 0;  ///< of the table as it stands
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace bsq::cli
