#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/support.h"

namespace bsq::test {
namespace {

const std::vector<std::string> kTools = {"bsq_train", "finetune", "convert", "describe", "sweep", "report"};

struct HelpFlag {
  std::string short_name;  ///< "-a"; "": none
  std::string default_value;
};

struct ReadmeRow {
  std::set<std::string> tools;
  std::string default_value;
  std::vector<std::string> aliases;  ///< other names, with their dashes
};

std::string help_of(const std::string& tool) {
  const auto result = run_command("'" + program(tool) + "' --help");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

// Boost's lines: "  -a [ --arch ] arg (=resnet)   what it is".
std::map<std::string, HelpFlag> flags_in(const std::string& help) {
  static const std::regex line_form(
      R"(^  (?:(-[A-Za-z]) \[ )?(--[A-Za-z0-9_-]+)(?: \])?(?: arg(?: \(=([^)]*)\))?)?(?: .*)?$)");
  std::map<std::string, HelpFlag> flags;
  std::istringstream text(help);
  for (std::string line; std::getline(text, line);) {
    std::smatch match;
    if (std::regex_match(line, match, line_form)) {
      flags[match[2]] = {match[1], match[3]};
    }
  }
  return flags;
}

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream text(row.substr(1));
  for (std::string cell; std::getline(text, cell, '|');) {
    cells.push_back(cell);
  }
  return cells;
}

std::vector<std::string> matches_in(const std::string& text, const std::regex& form) {
  std::vector<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), form), end; at != end; ++at) {
    found.push_back((*at)[1]);
  }
  return found;
}

std::map<std::string, ReadmeRow> readme_rows() {
  static const std::regex name(R"(`(--?[A-Za-z][A-Za-z0-9_-]*)[^`]*`)");
  static const std::regex tool(R"(\b(bsq_train|finetune|convert|describe|sweep|report|all)\b)");
  std::map<std::string, ReadmeRow> rows;
  std::istringstream text(read_bytes(BSQ_SOURCE "/README.md"));
  for (std::string line; std::getline(text, line);) {
    const auto cells = line.rfind("| `--", 0) == 0 ? cells_of(line) : std::vector<std::string>();
    if (cells.size() < 4) {
      continue;
    }
    const auto names = matches_in(cells[0], name);
    ReadmeRow row;
    for (const auto& found : matches_in(cells[1], tool)) {
      found == "all" ? row.tools.insert(kTools.begin(), kTools.end()) : row.tools.insert({found});
    }
    row.default_value = cells[2];
    row.aliases.assign(names.begin() + 1, names.end());
    EXPECT_EQ(rows.count(names.front()), 0U) << names.front() << " has two rows";
    rows[names.front()] = row;
  }
  return rows;
}

// "350 (finetune 300)" is 300 for finetune and 350 for the others.
std::string default_for(const std::string& tool, const std::string& cell) {
  std::smatch match;
  if (std::regex_search(cell, match, std::regex("\\b" + tool + " ([^,)]+)"))) {
    return match[1];
  }
  const auto text = cell.substr(0, cell.find('('));
  const auto first = text.find_first_not_of(" `");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" `") - first + 1);
}

TEST(Readme, HelpIsUnderstood) {
  const auto flags = flags_in(help_of("bsq_train"));
  EXPECT_EQ(flags.at("--arch").short_name, "-a");
  EXPECT_EQ(flags.at("--schedule").default_value, "150 225");
  EXPECT_EQ(flags.at("--lr").default_value, "0.1");
  EXPECT_EQ(flags.at("--bin").default_value, "");
  EXPECT_EQ(flags.at("--epochs").default_value, "350");
  EXPECT_EQ(flags_in(help_of("finetune")).at("--epochs").default_value, "300");
}

TEST(Readme, EveryFlagOfEveryToolHasARowWithItsDefault) {
  const auto rows = readme_rows();
  for (const auto& tool : kTools) {
    for (const auto& [name, flag] : flags_in(help_of(tool))) {
      SCOPED_TRACE(tool + " " + name);
      ASSERT_EQ(rows.count(name), 1U) << "no row in the flag table";
      const auto& row = rows.at(name);
      EXPECT_EQ(row.tools.count(tool), 1U) << "the row does not name the tool";
      EXPECT_EQ(default_for(tool, row.default_value), flag.default_value);
    }
  }
}

TEST(Readme, EveryRowIsAFlagOfTheToolsItNames) {
  std::map<std::string, std::string> helps;
  for (const auto& tool : kTools) {
    helps[tool] = help_of(tool);
  }
  const auto rows = readme_rows();
  EXPECT_FALSE(rows.empty());
  for (const auto& [name, row] : rows) {
    EXPECT_FALSE(row.tools.empty()) << name;
    for (const auto& tool : row.tools) {
      SCOPED_TRACE(tool + " " + name);
      const auto flags = flags_in(helps[tool]);
      ASSERT_EQ(flags.count(name), 1U) << "no such flag";
      for (const auto& alias : row.aliases) {
        const bool is_short = alias.size() == 2;
        EXPECT_TRUE(is_short ? flags.at(name).short_name == alias
                             : helps[tool].find("(also " + alias + ")") != std::string::npos)
            << alias;
      }
    }
  }
}

}  // namespace
}  // namespace bsq::test
