#include "tools/cli/ini.h"

#include <boost/program_options.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bsq/base/error.h"
#include "tools/cli/option_error.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

constexpr size_t kMostIniBytes = size_t{1} << 20;

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_ini(const std::string& text, const std::string& from) {
  namespace po = boost::program_options;
  std::vector<std::pair<std::string, std::string>> pairs;
  std::istringstream in(text);
  try {
    const auto parsed = po::parse_config_file(in, po::options_description(), /*allow_unregistered=*/true);
    for (const auto& option : parsed.options) {
      pairs.emplace_back(option.string_key, option.value.empty() ? "" : option.value.front());
    }
  } catch (po::error& error) {
    throw UsageError(from + ": " + message_of(error));
  }
  return pairs;
}

std::string read_ini_file(const std::string& path, const std::string& expected) {
  std::ifstream in(path);
  if (!in || std::filesystem::is_directory(path)) {
    throw Error(path + ": cannot be read; expected " + expected);
  }
  std::string text(kMostIniBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMostIniBytes) {
    throw Error(path + ": longer than 1 MiB; expected " + expected);
  }
  return text;
}

}  // namespace bsq::cli
