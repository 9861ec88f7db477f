#include "tools/sweep/sweep_options.h"

#include <boost/program_options.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bsq/base/error.h"
#include "tools/cli/command_line.h"
#include "tools/cli/option_error.h"
#include "tools/cli/presets.h"
#include "tools/sweep/command_words.h"

namespace bsq::cli {
namespace po = boost::program_options;
namespace {

using Words = std::vector<std::string>;

constexpr const char* kSweepUsage =
    "sweep: runs bsq_train, then finetune, at every point of a grid, or searches the alpha that gives a "
    "wanted "
    "compression.\n"
    "usage: sweep --alpha VALUES | --target-comp COMP [--model FILE] [--preset NAME] --checkpoint FOLDER "
    "[options]\n"
    "The same command again goes on with a sweep that was stopped or killed; finished points are kept.\n"
    "VALUES: a list, 1e-3,2e-3,5e-3, or a range, 1e-3:2e-2:log:6 (or lin).\n";

po::options_description describe_options() {
  po::options_description all("Options", 110);
  auto add = all.add_options();
  add("help,h", "print this text");
  add("config", po::value<std::string>(), "read options from this INI file too; the command line wins");
  add("alpha", po::value<std::string>(), "regularization strengths, --decay of bsq_train");
  add("seed", po::value<std::string>()->default_value("1234"), "seeds, --manualSeed of both programs");
  add("vary", po::value<Words>()->multitoken(), "NAME=VALUES: sweep any other flag of bsq_train as well");
  add("fixed-bits", po::value<std::string>(),
      "baselines: widths at which the float model is trained without the penalty, in the same schedule");
  add("target-comp", po::value<double>(), "search the alpha that gives this comp");
  add("tolerance", po::value<double>()->default_value(5, "5"), "percent of the target that is near enough");
  add("max-runs", po::value<int64_t>()->default_value(10), "runs after which the search gives up");
  add("preset", po::value<std::string>(),
      "NAME-float.cfg, NAME-bsq.cfg and NAME-finetune.cfg hold the flags to begin with "
      "(quickstart-synthetic, "
      "quickstart-cifar10, by the data set; a path: that prefix)");
  add("model", po::value<std::string>(),
      "model to begin with, float or in bits; without it a float network is trained first");
  add("dataset,d", po::value<std::string>(), "data set, for all programs (from the preset)");
  add("data", po::value<std::string>()->default_value("data"), "folder of the data set, for all programs");
  add("train", po::value<Words>()->multitoken(), "NAME=VALUE...: more flags for bsq_train");
  add("finetune", po::value<Words>()->multitoken(), "NAME=VALUE...: more flags for finetune");
  add("both", po::value<Words>()->multitoken(), "NAME=VALUE...: more flags for every program");
  add("jobs,j", po::value<int64_t>()->default_value(0), "runs at once; 0: one a core, in a search one");
  add("threads", po::value<int64_t>()->default_value(0),
      "threads of each run; 0: the cores divided by --jobs");
  add("checkpoint,c", po::value<std::string>()->default_value("checkpoints/sweep"),
      "folder that the sweep writes to");
  return all;
}

po::variables_map parse(int argc, const char* const* argv) {
  const auto all = describe_options();
  po::variables_map values;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(argc, argv)
                  .options(all)
                  .style(style)
                  .positional(po::positional_options_description())
                  .run(),
              values);
    if (values.count("help") != 0) {
      std::ostringstream text;
      text << kSweepUsage << "\n" << all;
      throw HelpRequest{text.str()};
    }
    if (values.count("config") != 0) {
      const auto path = values["config"].as<std::string>();
      std::ifstream in(path);
      if (!in || std::filesystem::is_directory(path)) {
        throw Error(path + ": cannot be read; expected options of sweep in INI form");
      }
      po::store(po::parse_config_file(in, all), values);
    }
  } catch (po::error& error) {
    throw UsageError(message_of(error));
  }
  return values;
}

int64_t integer(const po::variables_map& values, const std::string& name, int64_t low, int64_t high) {
  const auto value = values[name].as<int64_t>();
  if (value < low || value > high) {
    throw UsageError("--" + name + " " + std::to_string(value) + ": expected " + std::to_string(low) +
                     " to " + std::to_string(high));
  }
  return value;
}

double real(const po::variables_map& values, const std::string& name, double low, double high) {
  const auto value = values[name].as<double>();
  if (!(value >= low && value <= high)) {
    throw UsageError("--" + name + " " + number_text(value, 6) + ": expected " + number_text(low, 6) +
                     " to " + number_text(high, 6));
  }
  return value;
}

std::string text(const po::variables_map& values, const std::string& name) {
  return values.count(name) == 0 ? "" : values[name].as<std::string>();
}

Settings settings(const po::variables_map& values, const std::string& name) {
  return Settings::of_words("--" + name, values.count(name) == 0 ? Words() : values[name].as<Words>());
}

std::vector<Axis> axes_of(const po::variables_map& values, bool is_search) {
  std::vector<Axis> axes;
  if (!is_search) {
    axes.push_back({"alpha", parse_numbers("--alpha", text(values, "alpha"))});
  }
  axes.push_back({"seed", parse_integers("--seed", text(values, "seed"))});
  for (const auto& word : values.count("vary") == 0 ? Words() : values["vary"].as<Words>()) {
    axes.push_back(parse_axis("--vary", word));
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto& name = axes[i].name;
    if (name == "decay" || name == "manualSeed" || name == "model" || name == "checkpoint") {
      throw UsageError("--vary " + name +
                       ": expected another flag; alpha, seed, model and folder have their own");
    }
    for (size_t j = 0; j < i; ++j) {
      if (axes[j].name == name) {
        throw UsageError("--vary " + name + ": expected every flag once");
      }
    }
  }
  return axes;
}

void check_search(const SweepOptions& options) {
  for (const auto& axis : options.axes) {
    if (options.target_comp && axis.values.size() > 1) {
      throw UsageError("--target-comp searches one alpha; --" + axis.name + " has to have one value");
    }
  }
}

std::string preset_prefix(const std::string& named, const std::string& dataset) {
  if (named.find('/') != std::string::npos) {
    return named;
  }
  if (named.empty() && dataset != "synthetic" && dataset != "cifar10" && !dataset.empty()) {
    throw UsageError("--preset is missing; there is none for the data set " + dataset);
  }
  const auto name = !named.empty() ? named : "quickstart-" + (dataset.empty() ? "cifar10" : dataset);
  return preset_folder() + "/" + name;
}

}  // namespace

SweepOptions parse_sweep_options(int argc, const char* const* argv) {
  const auto values = parse(argc, argv);
  SweepOptions options;
  const bool is_search = values.count("target-comp") != 0;
  if (is_search == (values.count("alpha") != 0)) {
    throw UsageError("expected either --alpha VALUES or --target-comp COMP");
  }
  if (is_search) {
    options.target_comp = real(values, "target-comp", 1, 1e6);
  }
  options.tolerance = real(values, "tolerance", 0.01, 50) / 100;
  options.max_runs = static_cast<int>(integer(values, "max-runs", 1, 1000));
  options.axes = axes_of(values, is_search);
  check_search(options);
  if (values.count("fixed-bits") != 0) {
    options.fixed = parse_integers("--fixed-bits", text(values, "fixed-bits"));
  }
  options.both = settings(values, "both");
  for (const std::string name : {"dataset", "data"}) {
    if (values.count(name) != 0 && !values[name].defaulted()) {
      options.both.set(name, text(values, name));
    }
  }
  options.train = settings(values, "train");
  options.finetune = settings(values, "finetune");
  options.preset = preset_prefix(text(values, "preset"), options.both.value("dataset").value_or(""));
  options.model = plain_path(text(values, "model"));
  options.jobs = integer(values, "jobs", 0, 1024);
  options.threads = integer(values, "threads", 0, 1024);
  options.folder = plain_path(text(values, "checkpoint"));
  return options;
}

}  // namespace bsq::cli
