#include "tools/cli/program_name.h"

#include <cerrno>  // program_invocation_name, of glibc
#include <regex>

namespace bsq::cli {

namespace {

std::vector<std::string>& words() {
  static std::vector<std::string> all;
  return all;
}

}  // namespace

const std::vector<std::string>& called_words() { return words(); }

void remember_command_line(int argc, const char* const* argv) { words().assign(argv, argv + argc); }

std::string called_name(const std::string& program) {
  const std::string called = program_invocation_name;
  return called == "bsq" || called.rfind("bsq ", 0) == 0 ? called : program;
}

std::string sibling_name(const std::string& program) {
  const std::string called = program_invocation_name;
  return called.rfind("bsq ", 0) == 0 ? "bsq " + program : program;
}

std::string with_called_name(const std::string& usage, const std::string& program) {
  const std::regex places("(^|\n(?:usage: |       ))" + program + "(?=[: ])");
  return std::regex_replace(usage, places, "$1" + called_name(program));
}

}  // namespace bsq::cli
