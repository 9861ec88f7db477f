#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bsq::cli {

/// The lines `name = value` of an INI text, in order: a preset, a run's config.cfg, the configuration in a
/// checkpoint. `#` begins a comment, `[section]` puts `section.` before the names that follow; a name may
/// come several times. Throws UsageError, "FROM: ...", for a line that is none of these.
std::vector<std::pair<std::string, std::string>> parse_ini(const std::string& text, const std::string& from);

/// Reads a file of at most 1 MiB and gives its text. Throws bsq::Error, which says that `expected` was
/// expected.
std::string read_ini_file(const std::string& path, const std::string& expected);

}  // namespace bsq::cli
