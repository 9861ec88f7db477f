#include <boost/program_options.hpp>
#include <filesystem>
#include <iostream>

#include "tools/cli/command_line.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/option_error.h"
#include "tools/cli/run_reader.h"
#include "tools/description.h"

namespace bsq::cli {
namespace po = boost::program_options;
namespace {

struct DescribeOptions {
  std::vector<std::string> files;
  bool is_json = false;
  bool is_brief = false;
};

DescribeOptions parse_describe_options(int argc, const char* const* argv) {
  DescribeOptions options;
  po::options_description all(
      "describe: shows what is in a model file, ours or PyTorch's, or in the folder of a run.\n"
      "usage: describe [--json | --brief] FILE|FOLDER...");
  all.add_options()("help,h", "print this text")("json", po::bool_switch(&options.is_json), "as JSON")(
      "brief", po::bool_switch(&options.is_brief), "one line a file");
  po::options_description with_files;
  with_files.add(all).add_options()("file", po::value(&options.files));
  po::variables_map values;
  try {
    po::store(po::command_line_parser(argc, argv)
                  .options(with_files)
                  .positional(po::positional_options_description().add("file", -1))
                  .run(),
              values);
    po::notify(values);
  } catch (po::error& error) {
    throw UsageError(message_of(error));
  }
  if (values.count("help") != 0) {
    std::ostringstream text;
    text << all;
    throw HelpRequest{text.str()};
  }
  if (options.files.empty()) {
    throw UsageError("no file named; expected describe FILE|FOLDER...");
  }
  return options;
}

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

int run(const DescribeOptions& options) {
  auto list = nlohmann::json::array();
  for (const auto& file : options.files) {
    std::cout << shown(options, file, list);
  }
  if (options.is_json) {
    std::cout << (list.size() == 1 ? list[0] : list).dump(2) << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace bsq::cli

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("describe",
                                [&] { return bsq::cli::run(bsq::cli::parse_describe_options(argc, argv)); });
}
