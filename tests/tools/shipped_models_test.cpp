#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

constexpr uintmax_t kMaxBytes = 1500000;

struct TableRow {
  std::string file;
  std::string top1;
  std::string comp;
  std::string comp_stored;
};

// "| [a.h5](a.h5) | ... | 84.06 | 1.00 | 1.00 |", the table of the models in checkpoints/README.md.
std::vector<TableRow> table_rows() {
  static const std::regex form(
      R"(^\| \[([a-z0-9.-]+\.h5)\]\(\1\) \|[^|]*\| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \|.*$)");
  std::vector<TableRow> rows;
  std::istringstream text(read_bytes(BSQ_SOURCE "/checkpoints/README.md"));
  for (std::string line; std::getline(text, line);) {
    std::smatch match;
    if (std::regex_match(line, match, form)) {
      rows.push_back({match[1], match[2], match[3], match[4]});
    }
  }
  return rows;
}

void expect_rounded(const nlohmann::json& value, const std::string& text) {
  EXPECT_LE(std::abs(value.get<double>() - std::stod(text)), 0.00501) << text;
}

TEST(ShippedModels, EveryFileIsInTheTableHoldsWhatItSaysAndEvaluates) {
  const std::string folder = BSQ_SOURCE "/checkpoints";
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".h5") {
      files.insert(entry.path().filename().string());
    }
  }
  EXPECT_FALSE(files.empty());
  for (const auto& row : table_rows()) {
    SCOPED_TRACE(row.file);
    ASSERT_EQ(files.erase(row.file), 1U) << "not in checkpoints";
    const auto path = folder + "/" + row.file;
    EXPECT_LT(std::filesystem::file_size(path), kMaxBytes);
    const auto found = described(path);
    expect_rounded(found["top1"], row.top1);
    expect_rounded(found["comp"], row.comp);
    expect_rounded(found["comp_stored"], row.comp_stored);
    EXPECT_NE(evaluated_count(path), "");
  }
  EXPECT_TRUE(files.empty()) << *files.begin() << " has no row in the table";
}

}  // namespace
}  // namespace bsq::test
