#include "tools/cli/argument_reader.h"

#include <boost/program_options.hpp>

#include "tools/cli/option_error.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace po = boost::program_options;
namespace {

void describe_name(po::options_description& all, const Option& option, const std::string& name) {
  if (option.is_switch()) {
    all.add_options()(name.c_str(), "");
  } else if (option.is_list()) {
    all.add_options()(name.c_str(), po::value<std::vector<std::string>>()->multitoken(), "");
  } else {
    all.add_options()(name.c_str(), po::value<std::string>(), "");
  }
}

void describe(po::options_description& all, const Option& option) {
  const auto letter = option.short_letter() == '\0' ? "" : std::string(",") + option.short_letter();
  describe_name(all, option, option.name() + letter);
  for (const auto& alias : option.aliases()) {
    describe_name(all, option, alias);
  }
  for (const auto& word : option.words()) {
    all.add_options()(word.name.c_str(), "");
  }
}

void take(Arguments& arguments, const po::option& option) {
  const auto& token = option.original_tokens.front();
  if (option.position_key >= 0) {
    arguments.operands.push_back(token);
    return;
  }
  if (option.unregistered) {
    arguments.unknown.push_back(token.substr(0, token.find('=')));
    return;
  }
  if (option.value.empty()) {
    arguments.options.emplace_back(option.string_key, "true");
  }
  for (const auto& value : option.value) {
    arguments.options.emplace_back(option.string_key, value);
  }
}

}  // namespace

Arguments read_arguments(const OptionTable& table, int argc, const char* const* argv) {
  po::options_description all;
  for (const auto& option : table.options()) {
    describe(all, option);
  }
  Arguments arguments;
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  try {
    const auto parsed =
        po::command_line_parser(argc, argv).options(all).style(style).allow_unregistered().run();
    for (const auto& option : parsed.options) {
      take(arguments, option);
    }
  } catch (po::error& error) {
    throw UsageError(message_of(error));
  }
  return arguments;
}

}  // namespace bsq::cli
