#include "tools/cli/training_session.h"

#include <iostream>
#include <optional>

#include "bsq/base/error.h"
#include "bsq/nn/layers_of.h"
#include "bsq/train/statistics.h"
#include "models/registry.h"
#include "tools/cli/earlier_run.h"
#include "tools/cli/memory.h"
#include "tools/cli/notice.h"
#include "tools/cli/ranks.h"
#include "tools/cli/record.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

Evaluation print_start(Model& model, Data& data) {
  print_data(data);
  if (!is_float(*model.network)) {
    print_statistics(std::cout, *model.network);
  }
  calibrate_if_needed(*model.network, data, std::cout);
  const auto evaluation = evaluate_finite(*model.network, *data.test);
  report_damage(data);
  std::cout << "start: " << text_of(evaluation) << "\n";
  check_record();
  return evaluation;
}

// The state to go on from, with a word where it is not that of checkpoint.h5.
std::optional<Resumable> find_interrupted(const SessionFlags& flags, const std::string& method) {
  if (!flags.training.resume) {
    return std::nullopt;
  }
  auto found = read_interrupted(flags.output.folder);
  if (!found.note.empty()) {
    notice(found.note);
  }
  if (found.file.method != method) {
    throw Error(found.path + ": a run of the method " + found.file.method + "; expected one of " + method);
  }
  if (flags.training.has_new_rate()) {
    found.file.training->rate_factor = 1;
  }
  return found;
}

// What a run will do that its user may not expect.
void print_remarks(const SessionFlags& flags, const Network& network, const Method& method) {
  const auto& training = flags.training;
  if (const auto remark = remark_on(network.description()); !remark.empty()) {
    std::cout << remark << "\n";
  }
  if (flags.model.model.empty()) {
    std::cout << "no --model: the weights are random, drawn with --seed " << flags.data.seed << "\n";
  }
  if (!training.schedule.empty() && training.schedule.front() >= training.epochs && training.epochs > 1) {
    std::cout << "--schedule " << training.schedule.front() << ": the learning rate does not drop in "
              << training.epochs << " epochs\n";
  }
  for (const auto& phase : training_phases_of(training.phases)) {
    if (!phase.in_steps && phase.begin >= training.epochs) {
      std::cout << "--phases " << phase.begin << ": this phase does not begin in " << training.epochs
                << " epochs\n";
    }
  }
  if (const auto remark = method.remark(training.epochs); !remark.empty()) {
    std::cout << remark << "\n";
  }
}

// How the file of --model was before the run: what the flags say of activations is the student's. A PyTorch
// file does not say that its network has float activations; --act 0 does.
ModelFlags unconverted(ModelFlags flags, const Checkpoint& file) {
  const bool stays_float = file.description.architecture.empty() && flags.act == 0;
  flags.act = stays_float ? flags.act : std::nullopt;
  flags.default_act.reset();
  flags.layer_act.clear();
  flags.act_range.reset();
  return flags;
}

// The network of --teacher, in evaluation mode; null without one. "self" is the model that the run begins
// with, also where the run is resumed.
std::shared_ptr<Network> make_teacher(const SessionFlags& flags, Data& data, torch::Device device) {
  const auto& teacher = flags.training.teacher;
  if (teacher.empty()) {
    return nullptr;
  }
  ModelFlags named;
  if (teacher == "self") {
    if (flags.model.model.empty()) {
      throw UsageError("--teacher self: needs --model FILE");
    }
    named = flags.model;
  } else {
    named.model = teacher;
  }
  const auto file = read_named_model(named);
  auto model = make_model(unconverted(named, *file), file, data, device);
  calibrate_if_needed(*model.network, data, std::cout);
  model.network->eval();
  for (auto& parameter : model.network->parameters()) {
    parameter.set_requires_grad(false);
  }
  return model.network;
}

void make_way(const SessionFlags& flags) {
  if (!is_first_rank()) {
    return;  // the first one may have begun to write
  }
  const auto& folder = flags.output.folder;
  refuse_own_input(folder, {flags.model.model, flags.training.teacher_file()});
  refuse_foreign_files(folder);
  if (!flags.training.overwrite) {
    refuse_earlier_run(folder, "--resume, another folder as --out, or --overwrite");
  }
}

// A run that goes on has the network of its checkpoint. A method may have changed what the flags began with:
// PROFIT trains with float activations first.
void take_network_of_file(ModelFlags& flags) {
  flags.arch.reset();
  flags.act.reset();
  flags.default_act.reset();
  flags.layer_act.clear();
  flags.act_range.reset();
  flags.network.clear();
  flags.rename.clear();
}

// A network that the method has stored keeps the form that it has, whatever its options say now.
void check_form(const SessionSteps& steps, Network& network) {
  const auto form = steps.method->form(network);
  for (const auto& [name, text] : steps.method_options) {
    const auto stored = form.find(name);
    if (stored != form.end() && stored->second != text) {
      throw UsageError("--" + name + " " + text + " contradicts the model file, which has " + stored->second);
    }
  }
}

// Phases that begin at steps and at epochs can be compared now that an epoch's steps are known.
void check_phases(const TrainerOptions& options, const BatchLoader& training) {
  try {
    settings_at(options.phases, {}, {/*step=*/0, training.batches(), options.epochs});
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

int train(TrainingRun& run, Model& model, Data& data, RunFolder& folder, const SessionSteps& steps) {
  if (!run.train()) {
    return agreed_status(run.is_saved() ? stop_status() : 1);
  }
  const auto evaluation = run.finish();
  report_damage(data);
  std::cout << "final: " << text_of(evaluation) << "\n";
  check_record();
  steps.conclude(run, model, data, folder);
  run.conclude();
  return run.is_complete() ? 0 : 1;
}

int run_joined(SessionFlags flags, const SessionSteps& steps, torch::Device device) {
  const auto& training = flags.training;
  auto at_start = summary_at_start(steps.program, steps.method->name(), flags.model.model, flags.runtime);
  at_start.epochs = training.epochs;
  // A folder that is resumed is locked before it is read, a new one once all input is found good.
  std::optional<RunFolder> folder;
  if (training.resume) {
    folder.emplace(flags.output);
  }
  const auto found = find_interrupted(flags, steps.method->name());
  const auto begun_with = flags;
  if (found) {
    flags.model.model = found->path;
    take_network_of_file(flags.model);
    flags.data.is_resumed = true;
  }
  const auto file = found ? std::optional<Checkpoint>(found->file) : read_named_model(flags.model);
  auto data = load_data(flags.data, flags.runtime, file);
  // A file of the method's own is a network as the method wants it already.
  const bool is_own = file && file->method == steps.method->name();
  const auto adapt = [&](const NetworkDescription& given) { return steps.method->adapted(given); };
  auto model = make_model(flags.model, file, data, device, is_own ? Adaptation() : adapt);
  if (found) {
    steps.method->adopt(*model.network);
  } else {
    if (is_own) {
      check_form(steps, *model.network);
    }
    steps.prepare(*model.network);
  }
  if (training.evaluate) {
    const auto evaluation = print_start(model, data);
    if (steps.evaluated && is_first_rank()) {
      steps.evaluated(model, evaluation);
    }
    return 0;
  }
  auto options = steps.trainer;
  options.shares_statistics = flags.runtime.shares_statistics;
  options.seed = flags.data.seed;
  check_phases(options, *data.training);
  options.distillation.teacher = make_teacher(begun_with, data, device);
  if (!folder) {
    folder.emplace(flags.output);
    make_way(flags);
  } else if (is_first_rank()) {
    refuse_own_input(folder->folder(), {training.teacher_file()});
  }
  SummaryWriter summary(*folder, std::move(at_start), steps.method->keeps_best());
  summary.set_validation_split(flags.data.validation > 0 ? "validation" : "test");
  if (!found) {
    summary.take_start(print_start(model, data));
  }
  if (found) {
    print_data(data);
  }
  print_remarks(flags, *model.network, *steps.method);
  TrainingRun run(model, *steps.method, data, *folder, options, training, summary);
  if (found) {
    run.resume(*found);
  }
  stop_by_request();
  return train(run, model, data, *folder, steps);
}

int run_session(const SessionFlags& flags, const SessionSteps& steps) {
  const auto place = rank_place();
  if (!place && flags.runtime.ranks > 1) {
    return start_ranks(flags.runtime.ranks);
  }
  watch_signals();
  const auto device = set_up_runtime(flags.runtime, flags.data.seed, place);
  SessionRanks ranks(place, device, flags.output.folder);
  try {
    return run_joined(flags, steps, device);
  } catch (const std::exception& error) {
    ranks.fail(error.what());
    throw;
  }
}

}  // namespace

int run_training_session(const SessionFlags& flags, const SessionSteps& steps) {
  return with_memory_errors(flags.data, [&] { return run_session(flags, steps); });
}

}  // namespace bsq::cli
