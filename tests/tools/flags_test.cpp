#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <sstream>

#include "bsq/methods/methods.h"
#include "bsq_train/train_options.h"
#include "convert/convert_options.h"
#include "finetune/finetune_options.h"
#include "tests/tools/bsq_options.h"
#include "tests/tools/tool_runs.h"
#include "tools/describe_options.h"
#include "tools/export/export_options.h"
#include "tools/infer/infer_options.h"
#include "tools/report/report_options.h"
#include "tools/sweep/sweep_options.h"

namespace bsq::test {
namespace {

using cli::CommandLine;
using cli::TrainOptions;
using Call = std::vector<std::string>;

// Every program's line, with the options of every member of its families.
struct Programs {
  Programs() {
    add_options(lines[0], train);
    add_options(lines[1], convert);
    add_options(lines[2], finetune);
    add_options(lines[3], describe);
    add_options(lines[4], sweep);
    add_options(lines[5], report);
    add_options(lines[6], exported);
    add_options(lines[7], infer);
    for (const auto& line : lines) {
      tables.push_back({&line, {}, &line.table()});
      for (const auto& family : line.families()) {
        for (const auto& name : family.names()) {
          family.add(members.emplace_back(), name);
          tables.push_back({&line, {"--" + family.option, name}, &members.back()});
        }
      }
    }
  }

  struct Table {
    const CommandLine* line;
    Call chosen;  ///< {"--method", "bsq"}
    const OptionTable* table;
  };

  TrainOptions train;
  cli::ConvertOptions convert;
  cli::FinetuneOptions finetune;
  cli::DescribeOptions describe;
  cli::InferOptions infer;
  cli::SweepFlags sweep;
  cli::ReportOptions report;
  cli::ExportOptions exported;
  CommandLine lines[8] = {cli::train_command_line(),    cli::convert_command_line(),
                          cli::finetune_command_line(), cli::describe_command_line(),
                          cli::sweep_command_line(),    cli::report_command_line(),
                          cli::export_command_line(),   cli::infer_command_line()};
  std::deque<OptionTable> members;
  std::vector<Table> tables;
};

std::string output_of(const std::string& command) {
  const auto result = run_command(command);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

// What a program prints for these words, "--help" among them. Nothing is started: a call costs half a second.
template <typename Options>
std::string printed(CommandLine line, const Call& words) {
  Options options;
  add_options(line, options);
  std::vector<const char*> arguments = {line.program().c_str()};
  for (const auto& word : words) {
    arguments.push_back(word.c_str());
  }
  try {
    line.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const cli::HelpRequest& request) {
    return request.text;
  }
  ADD_FAILURE() << line.program() << " prints nothing";
  return "";
}

std::string printed_by(const std::string& program, const Call& words) {
  const std::map<std::string, std::function<std::string()>> printers = {
      {"bsq_train", [&] { return printed<TrainOptions>(cli::train_command_line(), words); }},
      {"convert", [&] { return printed<cli::ConvertOptions>(cli::convert_command_line(), words); }},
      {"finetune", [&] { return printed<cli::FinetuneOptions>(cli::finetune_command_line(), words); }},
      {"describe", [&] { return printed<cli::DescribeOptions>(cli::describe_command_line(), words); }},
      {"infer", [&] { return printed<cli::InferOptions>(cli::infer_command_line(), words); }},
      {"bsq_export", [&] { return printed<cli::ExportOptions>(cli::export_command_line(), words); }},
      {"sweep", [&] { return printed<cli::SweepFlags>(cli::sweep_command_line(), words); }},
      {"report", [&] { return printed<cli::ReportOptions>(cli::report_command_line(), words); }}};
  return printers.at(program)();
}

// Calls `visit` with every option, what its program prints when it is called with `flag`, and the program.
template <typename Visit>
void for_every_option(const std::string& flag, Visit visit) {
  const Programs programs;
  for (const auto& [line, chosen, table] : programs.tables) {
    auto words = chosen;
    words.push_back(flag);
    const auto text = flag.empty() ? "" : printed_by(line->program(), words);
    for (const auto& option : table->options()) {
      SCOPED_TRACE(line->program() + " --" + option.name() + (chosen.empty() ? "" : " of " + chosen.back()));
      visit(option, text, *line);
    }
  }
}

TEST(Flags, AProgramPrintsWhatItsTableSays) {
  EXPECT_EQ(output_of("'" + program("bsq_train") + "' --method lsq --list-options"),
            printed_by("bsq_train", {"--method", "lsq", "--list-options"}));
}

Call every_name(const Option& option) {
  Call names = {option.name()};
  names.insert(names.end(), option.aliases().begin(), option.aliases().end());
  for (const auto& word : option.words()) {
    names.push_back(word.name);
  }
  return names;
}

// The lines that --help has of an option, as one; "" where there are none.
std::string help_entry(const std::string& help, const std::string& name) {
  std::string entry;
  std::istringstream text(help);
  for (std::string line; std::getline(text, line);) {
    const bool begins = line.rfind("  -", 0) == 0 || line.rfind("      --", 0) == 0;
    const auto names = line.substr(0, line.find("  ", /*pos=*/6)) + " ";
    if (begins && (holds(names, " --" + name + " ") || holds(names, " --" + name + ","))) {
      entry = line;
    } else if (begins || line.empty()) {
      if (!entry.empty()) {
        return entry;
      }
    } else if (!entry.empty()) {
      entry += " " + line.substr(line.find_first_not_of(' '));
    }
  }
  return entry;
}

// Parses a command line of bsq_train.
TrainOptions trained(Call words) {
  words.insert(words.begin(), "bsq_train");
  std::vector<const char*> arguments;
  for (const auto& word : words) {
    arguments.push_back(word.c_str());
  }
  return cli::parse_train_options(static_cast<int>(arguments.size()), arguments.data());
}

std::string refusal(const Call& words) {
  try {
    trained(words);
  } catch (const OptionError& error) {
    return error.what();
  }
  return "";
}

TEST(Flags, EveryOptionHasOneResumeRule) {
  for_every_option("", [](const Option& option, const std::string&, const CommandLine& line) {
    ASSERT_TRUE(option.resume_rule().has_value());
    const bool stores =
        line.program() == "bsq_train" || line.program() == "convert" || line.program() == "finetune";
    EXPECT_TRUE(stores || option.resume_rule() == ResumeRule::kCall);
  });
}

TEST(Flags, EveryOptionStandsInTheHelpWithItsRule) {
  for_every_option("--help", [](const Option& option, const std::string& help, const CommandLine& line) {
    for (const auto& name : every_name(option)) {
      EXPECT_TRUE(holds(help, "--" + name)) << name;
    }
    const auto entry = help_entry(help, option.name());
    EXPECT_NE(entry, "");
    EXPECT_TRUE(line.table().find("resume") == nullptr ||
                holds(entry, std::string("(resume: ") + to_string(*option.resume_rule())) ||
                holds(entry, std::string("; resume: ") + to_string(*option.resume_rule())))
        << entry;
  });
}

TEST(Flags, EveryOptionIsOfferedByCompletion) {
  for_every_option("--list-options", [](const Option& option, const std::string& list, const CommandLine&) {
    for (const auto& name : every_name(option)) {
      EXPECT_TRUE(holds("\n" + list, "\n--" + name + "\t")) << name;
    }
    for (const auto& choice : option.choices()) {
      EXPECT_TRUE(holds(list, choice)) << choice;
    }
  });
}

TEST(Flags, EveryOptionStandsOnThePage) {
  const auto page = read_bytes(BSQ_SOURCE "/docs/flags.md");
  for_every_option("", [&](const Option& option, const std::string&, const CommandLine&) {
    for (const auto& name : every_name(option)) {
      EXPECT_TRUE(holds(page, "--" + name)) << name;
    }
  });
}

TEST(Flags, ThePageIsCurrent) {
  EXPECT_EQ(output_of("'" + program("flags_page") + "'"), read_bytes(BSQ_SOURCE "/docs/flags.md"))
      << "build/bin/flags_page >docs/flags.md makes it";
}

TEST(Flags, PublishedNamesAreTaken) {
  const auto options =
      trained({"--train-batch", "7", "--manualSeed", "8", "--checkpoint", "c", "--Nbits", "3", "--Prun_Int",
               "9", "--thre", "1.5", "--decay", "4", "--learning-rate", "0.5", "--weight-decay", "0.25"});
  EXPECT_EQ(options.data.train_batch, 7);
  EXPECT_EQ(options.data.seed, 8U);
  EXPECT_EQ(options.output.folder, "c");
  EXPECT_EQ(options.model.bits, 3);
  EXPECT_EQ(bsq_options(options).adjust_every, 9);
  EXPECT_EQ(bsq_options(options).drop_threshold, 1.5);
  EXPECT_EQ(bsq_options(options).alpha, 4);
  EXPECT_EQ(options.training.learning_rate, 0.5);
  EXPECT_EQ(options.training.weight_decay, 0.25);
}

TEST(Flags, TheSameByModernNames) {
  const auto options = trained({"--batch-size", "7", "--seed", "8", "--out", "c", "--bits", "3",
                                "--adjust-every", "9", "--drop-threshold", "1.5", "--alpha", "4"});
  EXPECT_EQ(options.output.configuration,
            trained({"--train-batch", "7", "--manualSeed", "8", "-c", "c", "--Nbits", "3", "--Prun_Int", "9",
                     "--thre", "1.5", "--decay", "4", "--L1"})
                .output.configuration);
}

TEST(Flags, ThePenaltyIsSwitchedOnByItsStrength) {
  EXPECT_EQ(bsq_options(trained({})).alpha, 0);
  EXPECT_EQ(bsq_options(trained({"--alpha", "0.3"})).alpha, 0.3);
  EXPECT_EQ(bsq_options(trained({"--decay", "0.3"})).alpha, 0.3);
  EXPECT_EQ(bsq_options(trained({"--L1"})).alpha, 0.01);
  EXPECT_EQ(bsq_options(trained({"--L1", "--decay", "0.3"})).alpha, 0.3);
}

TEST(Flags, WhatHasNoEffectIsRefusedWithTheReason) {
  const std::vector<std::pair<Call, std::string>> cases = {
      {{"--float", "--thre", "1"}, "--thre: no effect with --method float; it belongs to --method bsq"},
      {{"--method", "float", "--adjust-every", "2"}, "it belongs to --method bsq"},
      {{"--float", "--L1"}, "--L1: no effect with --method float"},
      {{"--float", "--Nbits", "4"}, "--Nbits: cannot go with --float"},
      {{"--float", "--bin", "--model", "m"}, "--bin: cannot go with --float"},
      {{"--float", "--method", "bsq"}, "--float: contradicts --method bsq"},
      {{"--gpu-id", "1"}, "--gpu-id: no effect without --device cuda"},
      {{"--dataset", "synthetic", "--data", "d"}, "--data: synthetic images are built in"},
      {{"--evaluate", "--model", "m", "--lr", "1", "--decay", "1", "--epochs", "2"},
       "--epochs, --lr, --decay: no effect with --evaluate"},
      {{"--evaluate", "--model", "m", "--out", "c"}, "--out: no effect with --evaluate"},
      {{"--evaluate"}, "--evaluate: needs --model"},
      {{"--bin"}, "--bin: needs --model"},
      {{"--override-resume", "lr"}, "--override-resume: expected --resume too"},
      {{"--method", "lsq", "--snapshots"}, "--snapshots: no effect with --method lsq, which makes no"},
      {{"--float", "--snapshots"}, "--snapshots: no effect with --method float"},
      {{"--method", "sawb", "--act", "0", "--pact-alpha", "4"}, "--pact-alpha: no effect with --act 0"},
      {{"--method", "sawb", "--act", "0", "--a-lambda", "1"}, "--a-lambda: no effect with --act 0"},
      {{"--method", "int8", "--gradient-bits", "0", "--bifurcation", "off"},
       "--bifurcation: no effect with --gradient-bits 0"}};
  for (const auto& [words, expected] : cases) {
    EXPECT_TRUE(holds(refusal(words), expected)) << expected << " / " << refusal(words);
  }
  EXPECT_EQ(refusal({"--evaluate", "--model", "m", "--max-bits", "6"}), "");
  EXPECT_EQ(refusal({"--device", "cuda", "--gpu-id", "1"}), "");
  EXPECT_EQ(refusal({"--method", "sawb", "--act", "4", "--pact-alpha", "4"}), "");
  EXPECT_EQ(refusal({"--method", "int8", "--gradient-bits", "4", "--bifurcation", "off"}), "");
}

TEST(Flags, TheMethodsThatAdjustTakeSnapshots) {
  std::string names;
  for (const auto& entry : methods()) {
    names += refusal({"--method", entry.name, "--snapshots"}).empty() ? entry.name + " " : "";
  }
  EXPECT_EQ(names, "bsq csq msq profit ");
}

TEST(Flags, OfDescribeAndSweepToo) {
  const auto told = [](const std::string& tool, const std::string& arguments) {
    const auto result = run_command("'" + program(tool) + "' " + arguments);
    EXPECT_EQ(result.status, 2) << result.err;
    return result.err;
  };
  EXPECT_TRUE(holds(told("describe", "--json --brief a.h5"), "--brief: cannot go with --json"));
  EXPECT_TRUE(holds(told("sweep", "--alpha 1 --max-runs 3"), "--max-runs: no effect without --target-comp"));
  EXPECT_TRUE(holds(told("report", "--watc 3 a"),
                    "--watc: no such option; did you mean --watch? (see report --help)"));
}

TEST(Flags, ListsTakeCommasAndBlanks) {
  for (const Call& words : {Call{"--schedule", "1", "2"}, {"--schedule", "1,2"}, {"--schedule", "1 2"}}) {
    EXPECT_EQ(trained(words).training.schedule, (std::vector<int64_t>{1, 2}));
  }
  for (const Call& words : {Call{"--layer-bits", "a=1", "b=2"}, {"--layer-bits", "a=1,b=2"}}) {
    EXPECT_EQ(trained(words).model.layer_rules(), (std::vector<LayerRule>{{"a", 1}, {"b", 2}}));
  }
}

TEST(Flags, HelpShowsWhatCounts) {
  const auto bsq_help = output_of("'" + program("bsq_train") + "' --help");
  const auto float_help = output_of("'" + program("bsq_train") + "' --method float --help");
  EXPECT_TRUE(holds(bsq_help, "--alpha"));
  EXPECT_FALSE(holds(float_help, "--alpha"));
  EXPECT_EQ(float_help, output_of("'" + program("bsq_train") + "' --float --help"));
  EXPECT_TRUE(holds(refusal({"--method", "magic"}), "--method magic: expected bsq"));
}

TEST(Flags, TheDefaultOfBitsIsTheMethodsOwn) {
  for (const auto& entry : methods()) {
    const auto help = printed_by("bsq_train", {"--method", entry.name, "--help"});
    const auto own = "(default " + std::to_string(make_method(entry.name)->default_bits()) + ";";
    EXPECT_TRUE(holds(help_entry(help, "bits"), own)) << entry.name << help_entry(help, "bits");
  }
  EXPECT_TRUE(
      holds(help_entry(printed_by("bsq_train", {"--method", "profit", "--help"}), "bits"), "default 4;"));
}

TEST(Flags, VersionNamesWhatItIsBuiltOn) {
  for (const std::string tool :
       {"bsq_train", "convert", "finetune", "describe", "infer", "sweep", "report"}) {
    const auto text = output_of("'" + program(tool) + "' --version");
    EXPECT_EQ(text.find(tool + " (bsq) "), 0U) << text;
    for (const char* part : {"\nlibtorch ", "\nHDF5 1.", "\nCPU: "}) {
      EXPECT_TRUE(holds(text, part)) << text;
    }
  }
}

}  // namespace
}  // namespace bsq::test
