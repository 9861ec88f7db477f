#include <filesystem>
#include <iostream>

#include "bsq/base/error.h"
#include "bsq/base/shown_text.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/run_reader.h"
#include "tools/describe_options.h"
#include "tools/description.h"
#include "tools/infer/file_engine.h"
#include "tools/network_listing.h"

namespace bsq::cli {
namespace {

// A path need not be UTF-8.
constexpr auto kReplace = nlohmann::json::error_handler_t::replace;

infer::Latency latency_of(const std::string& file) { return infer::measure_latency(engine_of(file)); }

// Of a run's model to use.
infer::Latency latency_of(const std::string& folder, const RunSummary& run) {
  if (run.kept.file.empty()) {
    throw Error(folder + ": no model yet whose latency could be measured");
  }
  return latency_of(folder + "/" + run.kept.file);
}

// The text of a file or folder; with --json "", and its JSON goes into `list`.
std::string shown(const DescribeOptions& options, const std::string& path, nlohmann::json& list) {
  if (std::filesystem::is_directory(path)) {
    const auto run = summary_of_run(path);
    const auto latency = options.latency ? std::optional(latency_of(path, run)) : std::nullopt;
    if (options.is_json) {
      list.push_back(json_of(run, latency));
      return "";
    }
    return options.is_brief ? brief_of(path, run, latency) + "\n" : text_of(path, run, latency);
  }
  auto description = describe_file(path);
  if (options.latency) {
    description.latency = latency_of(path);
  }
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

int describe_main(int argc, char** argv) {
  return bsq::cli::guarded_main("describe", argc, argv,
                                [&] { return bsq::cli::run(bsq::cli::parse_describe_options(argc, argv)); });
}
