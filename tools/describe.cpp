#include <filesystem>
#include <iostream>

#include "bsq/base/shown_text.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/run_reader.h"
#include "tools/describe_options.h"
#include "tools/description.h"
#include "tools/network_listing.h"

namespace bsq::cli {
namespace {

// A path need not be UTF-8.
constexpr auto kReplace = nlohmann::json::error_handler_t::replace;

// The text of a file or folder; with --json "", and its JSON goes into `list`.
std::string shown(const DescribeOptions& options, const std::string& path, nlohmann::json& list) {
  if (std::filesystem::is_directory(path)) {
    const auto run = summary_of_run(path);
    if (options.is_json) {
      list.push_back(nlohmann::json::parse(summary_text(run)));
      return "";
    }
    return options.is_brief ? brief_of(path, run) + "\n" : text_of(path, run);
  }
  const auto description = describe_file(path);
  if (options.is_json) {
    list.push_back(json_of(description));
    return "";
  }
  return options.is_brief ? brief_of(description) + "\n" : text_of(description);
}

int list(const DescribeOptions& options) {
  try {
    const auto listing = list_network(options.description());
    std::cout << (options.is_json    ? json_of(listing).dump(2) + "\n"
                  : options.is_brief ? brief_of(listing)
                                     : text_of(listing));
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  return 0;
}

int run(const DescribeOptions& options) {
  if (options.network.arch) {
    return list(options);
  }
  auto list = nlohmann::json::array();
  for (const auto& file : options.files) {
    std::cout << shown_text(shown(options, file, list), /*keep_lines=*/true);
  }
  if (options.is_json) {
    std::cout << (list.size() == 1 ? list[0] : list).dump(2, ' ', /*ensure_ascii=*/false, kReplace) << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace bsq::cli

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("describe",
                                [&] { return bsq::cli::run(bsq::cli::parse_describe_options(argc, argv)); });
}
