#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "bsq/methods/methods.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream text(row);
  for (std::string cell; std::getline(text, cell, '|');) {
    cells.push_back(cell);
  }
  return cells;
}

// The rows below a heading of README.md.
std::vector<std::vector<std::string>> rows_below(const std::string& heading) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream text(read_bytes(BSQ_SOURCE "/README.md"));
  bool is_below = false;
  for (std::string line; std::getline(text, line);) {
    if (line.rfind("## ", 0) == 0) {
      is_below = line == heading;
    } else if (is_below && line.rfind('|', 0) == 0) {
      rows.push_back(cells_of(line));
    }
  }
  return rows;
}

// | method | what it does | paper |
TEST(Readme, EveryMethodHasARow) {
  const auto rows = rows_below("## Methods");
  for (const auto& method : methods()) {
    SCOPED_TRACE(method.name);
    const auto link = "[" + method.name + "](bsq/methods/" + method.name + ")";
    int found = 0;
    for (const auto& row : rows) {
      if (row.size() == 4 && holds(row[1], link)) {
        ++found;
        EXPECT_EQ(row[2], " " + method.sentence + " ");
        EXPECT_EQ(row[3], method.paper.empty() ? " " : " " + method.paper + " ");
      }
    }
    EXPECT_EQ(found, 1) << "expected a row that begins with " << link;
  }
}

}  // namespace
}  // namespace bsq::test
