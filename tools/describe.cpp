#include <iostream>

#include "tools/cli/main_guard.h"
#include "tools/describe_options.h"
#include "tools/description.h"

namespace bsq::cli {
namespace {

int run(const DescribeOptions& options) {
  auto list = nlohmann::json::array();
  for (const auto& file : options.files) {
    const auto description = describe_file(file);
    if (options.is_json) {
      list.push_back(json_of(description));
    } else {
      std::cout << (options.is_brief ? brief_of(description) + "\n" : text_of(description));
    }
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
