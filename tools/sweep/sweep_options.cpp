#include "tools/sweep/sweep_options.h"

#include <set>

#include "bsq/base/shown_text.h"
#include "bsq/data/dataset.h"
#include "tools/cli/presets.h"
#include "tools/sweep/command_words.h"
#include "tools/sweep/program_tables.h"
#include "tools/sweep/slurm/sbatch_options.h"

namespace bsq::cli {
namespace {

constexpr const char* kSweepUsage =
    "sweep: runs bsq_train, then finetune, at every point of a grid, or searches the alpha that gives a "
    "wanted\n"
    "compression.\n"
    "usage: sweep --alpha VALUES | --targets VALUES | --target-comp COMP [--model FILE] [--preset NAME] "
    "--out FOLDER [options]\n"
    "The same command again goes on with a sweep that was stopped or killed; finished points are kept.\n"
    "--launcher slurm submits the points and returns; the same command again collects what is done.\n"
    "VALUES: a list, 1e-3,2e-3,5e-3, or a range, 1e-3:2e-2:log:6 (or lin).\n";
constexpr auto kCall = ResumeRule::kCall;

void add_grid(OptionTable& table, SweepFlags& flags) {
  table.section("Points");
  table.add("alpha", &flags.alpha, "strengths of the penalty").value_name("VALUES").resume(kCall);
  table.add("targets", &flags.targets, "values of comp that runs are to end with (bsq_train --target-comp)")
      .value_name("VALUES")
      .resume(kCall);
  table.add("seed", &flags.seed, "seeds, of both programs")
      .alias("manualSeed")
      .value_name("VALUES")
      .resume(kCall);
  table.add("vary", &flags.vary, "sweep any other option of bsq_train as well")
      .value_name("NAME=VALUES...")
      .resume(kCall);
  table
      .add("fixed-bits", &flags.fixed_bits,
           "baselines: bit widths at which the float model is trained without the penalty, in the same "
           "schedule")
      .value_name("VALUES")
      .resume(kCall);
}

void add_snapshots(OptionTable& table, SweepFlags& flags) {
  table
      .add("snapshots", &flags.snapshots,
           "finetune the network of every precision adjustment too, each as a point: one run of bsq_train "
           "gives many sizes")
      .needs([&] {
        return flags.target_comp           ? "no effect with --target-comp, which looks for one size"
               : flags.launcher == "slurm" ? "not possible with --launcher slurm: how many snapshots a run "
                                             "leaves is known when it has ended"
                                           : "";
      })
      .resume(kCall);
}

void add_search(OptionTable& table, SweepFlags& flags) {
  const auto needs_search = [&] { return flags.target_comp ? "" : "no effect without --target-comp"; };
  table.section("Search");
  table.add("target-comp", &flags.target_comp, "search the alpha that gives this comp")
      .range(1, 1e6)
      .needs([&] {
        return flags.launcher == "slurm"
                   ? "not possible with --launcher slurm: each run of a search follows from the one before"
                   : "";
      })
      .resume(kCall);
  table.add("tolerance", &flags.tolerance, "percent of the target that is near enough")
      .range(0.01, 50)
      .needs(needs_search)
      .resume(kCall);
  table.add("max-runs", &flags.max_runs, "runs after which the search gives up")
      .range(1, 1000)
      .needs(needs_search)
      .resume(kCall);
}

void add_programs(OptionTable& table, SweepFlags& flags) {
  table.section("Runs");
  table
      .add("preset", &flags.preset,
           "NAME-float.cfg, NAME-bsq.cfg and NAME-finetune.cfg hold the options to begin with; a path: that "
           "prefix")
      .default_text("quickstart-synthetic or quickstart-cifar10, by the data set")
      .value_name("PREFIX")
      .resume(kCall);
  table
      .add("model", &flags.model,
           "model to begin with, float or in bits; without it a float network is trained first")
      .value_name("MODEL")
      .resume(kCall);
  table.add("dataset", &flags.dataset, "data set, for all programs")
      .letter('d')
      .one_of(dataset_names())
      .default_text("from the preset")
      .resume(kCall);
  table.add("data", &flags.data, "folder of the data set, for all programs")
      .value_name("FOLDER")
      .default_text("data")
      .needs([&] {
        return flags.dataset == "synthetic" ? "synthetic images are built in and need no folder" : "";
      })
      .resume(kCall);
  const auto add_settings = [&](const char* name, OptionLines* lines, const char* programs) {
    table.add(name, lines, std::string("more options for ") + programs)
        .value_name("NAME=VALUE...")
        .resume(kCall);
  };
  add_settings("train", &flags.train, "bsq_train");
  add_settings("finetune", &flags.finetune, "finetune");
  add_settings("both", &flags.both, "every program");
}

void add_machine(OptionTable& table, SweepFlags& flags) {
  table.section("Machine");
  table.add("jobs", &flags.jobs, "runs at once; 0: one for each core, one in a search, no limit with Slurm")
      .letter('j')
      .range(0, 1024)
      .resume(kCall);
  table.add("threads", &flags.threads, "threads of each run; 0: cores / --jobs, or the cores of a Slurm task")
      .range(0, 1024)
      .resume(kCall);
  table
      .add("launcher", &flags.launcher,
           "what runs the points: child processes, or a job array of Slurm, which the same command collects")
      .one_of({"local", "slurm"})
      .resume(kCall);
  table.add("sbatch", &flags.sbatch, "more options for sbatch, as a shell reads them")
      .value_name("OPTIONS")
      .needs([&] { return flags.launcher == "slurm" ? "" : "no effect without --launcher slurm"; })
      .resume(kCall);
  table.section("Output");
  table.add("out", &flags.folder, "folder that the sweep writes to")
      .alias("checkpoint")
      .letter('c')
      .value_name("FOLDER")
      .resume(kCall);
}

std::string joined(const std::vector<std::string>& entries) {
  std::string text;
  for (const auto& entry : entries) {
    text += (text.empty() ? "" : ",") + entry;
  }
  return text;
}

std::vector<Axis> axes_of(const SweepFlags& flags) {
  static const std::set<std::string> kTaken = {"alpha", "seed", "model", "out", "target-comp"};
  const auto& tables = ProgramTables::of("bsq_train");
  std::vector<Axis> axes;
  if (!flags.targets.empty()) {
    axes.push_back({"target-comp", parse_numbers("--targets", joined(flags.targets))});
  } else if (!flags.target_comp) {
    axes.push_back({"alpha", parse_numbers("--alpha", joined(flags.alpha))});
  }
  axes.push_back({"seed", parse_integers("--seed", joined(flags.seed))});
  std::set<std::string> names;
  for (const auto& word : flags.vary.lines) {
    axes.push_back(parse_axis("--vary", word));
    const auto name = tables.own_name(axes.back().name);
    if (kTaken.count(name) != 0) {
      throw UsageError(
          "--vary " + axes.back().name +
          ": expected another option; alpha, seed, target-comp, model and folder have their own");
    }
    if (!names.insert(name).second) {
      throw UsageError("--vary " + axes.back().name + ": expected every option once");
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

Settings shared_settings(const SweepFlags& flags) {
  auto settings = Settings::of_words("--both", flags.both.lines);
  if (flags.dataset) {
    settings.set("dataset", *flags.dataset);
  }
  if (flags.data) {
    settings.set("data", *flags.data);
  }
  return settings;
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

SweepOptions options_of(const SweepFlags& flags) {
  SweepOptions options;
  options.target_comp = flags.target_comp;
  options.snapshots = flags.snapshots;
  options.tolerance = flags.tolerance / 100;
  options.max_runs = static_cast<int>(flags.max_runs);
  options.axes = axes_of(flags);
  check_search(options);
  if (!flags.fixed_bits.empty()) {
    options.fixed = parse_integers("--fixed-bits", joined(flags.fixed_bits));
  }
  options.both = shared_settings(flags);
  options.train = Settings::of_words("--train", flags.train.lines);
  options.finetune = Settings::of_words("--finetune", flags.finetune.lines);
  options.preset = preset_prefix(flags.preset, options.both.value("dataset").value_or(""));
  options.model = plain_path(flags.model);
  options.jobs = flags.jobs;
  options.threads = flags.threads;
  options.uses_slurm = flags.launcher == "slurm";
  options.sbatch = sbatch_options(flags.sbatch);
  options.folder = plain_path(flags.folder);
  return options;
}

}  // namespace

CommandLine sweep_command_line() { return CommandLine("sweep", kSweepUsage); }

void add_options(CommandLine& line, SweepFlags& flags) {
  line.add_config();
  line.table().find("config")->value_name("FILE.cfg");
  add_grid(line.table(), flags);
  add_snapshots(line.table(), flags);
  add_search(line.table(), flags);
  add_programs(line.table(), flags);
  add_machine(line.table(), flags);
}

namespace {

// Results and records are JSON, which has no other bytes.
void check_words(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    if (!is_utf8(argv[i])) {
      throw UsageError(shown_text(argv[i]) + ": expected UTF-8");
    }
  }
}

}  // namespace

SweepOptions parse_sweep_options(int argc, const char* const* argv) {
  check_words(argc, argv);
  SweepFlags flags;
  auto line = sweep_command_line();
  add_options(line, flags);
  line.parse(argc, argv);
  const int given =
      (flags.target_comp ? 1 : 0) + (flags.alpha.empty() ? 0 : 1) + (flags.targets.empty() ? 0 : 1);
  if (given != 1) {
    throw UsageError("expected one of --alpha VALUES, --targets VALUES and --target-comp COMP");
  }
  return options_of(flags);
}

}  // namespace bsq::cli
