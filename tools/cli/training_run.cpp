#include "tools/cli/training_run.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "bsq/base/error.h"
#include "bsq/base/ranks.h"
#include "bsq/io/atomic_file.h"
#include "bsq/io/checkpoint/program_text.h"
#include "bsq/nn/network_sizes.h"
#include "bsq/nn/network_state.h"
#include "bsq/train/divergence.h"
#include "bsq/train/run_log.h"
#include "bsq/train/statistics.h"
#include "tools/cli/earlier_run.h"
#include "tools/cli/notice.h"
#include "tools/cli/ranks.h"
#include "tools/cli/rate_notice.h"
#include "tools/cli/record.h"

namespace bsq::cli {
namespace {

constexpr const char* kAgain = "; the run goes on and tries again at the next save";
constexpr double kLeastRateFactor = 0.125;  // of three rollbacks

// "Reg Loss" as "reg loss".
std::string lower(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return name;
}

// What --on-nan rollback has left of the learning rate; "" for all of it.
std::string rate_text(double factor) {
  return factor == 1 ? "" : ", learning rate times 1/" + std::to_string(std::lround(1 / factor));
}

int64_t count_of_ranks() { return current_ranks() == nullptr ? 1 : current_ranks()->count(); }

// Where progress goes: nowhere for all ranks but the first.
std::ostream& progress_stream() {
  static std::ostream none(nullptr);
  return is_first_rank() ? std::cerr : none;
}

int terminal_columns() {
  winsize size{};
  constexpr int kUsual = 80;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

RateSchedule rate_schedule_of(const std::string& name) {
  if (name == "cosine") {
    return RateSchedule::kCosine;
  }
  return name == "linear" ? RateSchedule::kLinear : RateSchedule::kStep;
}

}  // namespace

TrainerOptions options_of(const TrainingFlags& flags) {
  TrainerOptions options;
  options.epochs = flags.epochs;
  options.learning_rate = flags.learning_rate;
  options.momentum = flags.momentum;
  options.weight_decay = flags.weight_decay;
  options.schedule = flags.schedule;
  options.gamma = flags.gamma;
  options.phases = training_phases_of(flags.phases);
  options.rate_schedule = rate_schedule_of(flags.rate_schedule.value_or("step"));
  options.reestimate = flags.reestimate;
  options.label_smoothing = flags.label_smoothing;
  options.average_decay = flags.average_decay;
  options.distillation.weight = flags.teacher_weight;
  options.distillation.label_weight = flags.label_weight;
  options.distillation.temperature = flags.temperature;
  return options;
}

TrainingRun::TrainingRun(Model& model, Method& method, Data& data, RunFolder& folder,
                         const TrainerOptions& options, const TrainingFlags& flags, SummaryWriter& summary)
    : model_(model),
      method_(method),
      data_(data),
      folder_(folder),
      options_(options),
      flags_(flags),
      summary_(summary),
      progress_(progress_stream(), isatty(STDERR_FILENO) != 0 ? terminal_columns : std::function<int()>()),
      trainer_(model.network, method, *data.training, *data.validation, options, *this),
      wants_events_(flags.tensorboard),
      adjustments_(folder.file("adjustments.csv")),
      layers_(folder.file("layers.csv")) {
  trainer_.start_at(flags.start_epoch);
}

void TrainingRun::resume(const Resumable& found) {
  take_up(*found.file.training, found.path);
  saved_position_ = position();
  is_saved_ = true;
  summary_.take_up();
  summary_.take_state(trainer_.state(), current_checkpoint(found.file.top1), best_ ? &*best_ : nullptr);
  std::cout << "resumed at epoch " << saved_position_.first << ", step " << saved_position_.second
            << rate_text(trainer_.state().rate_factor) << "\n";
  if (const auto before = found.file.training->ranks; before != count_of_ranks()) {
    std::cout << "ranks: " << before << " until now, " << count_of_ranks()
              << " from here on: the run goes on, but in other bits than with " << before << "\n";
  }
  say_if_rate_rises(trainer_, found, data_.training->batches(), flags_.override_resume);
  check_record();
}

void TrainingRun::take_up(TrainingState state, const std::string& path) {
  best_.reset();
  best_is_pending_ = log_is_pending_ = layers_are_pending_ = false;
  if (state.best_epoch >= 0) {
    try {
      best_ = read_checkpoint(folder_.file("model_best.h5"), FileOrigin::kOwnRun);
    } catch (const Error& error) {
      notice(std::string(error.what()) + "; the best network is picked anew");
      state.best_epoch = -1;
      state.best_top1 = -1;
    }
  }
  try {
    trainer_.resume(state);
  } catch (const std::exception& error) {
    throw Error(path + ": " + error.what());
  }
  try {
    adjustments_.go_back_to(state);
  } catch (const Error& error) {
    notice(std::string(error.what()) + "; the record of adjustments begins anew");
  }
  try {
    layers_.go_back_to(state);
  } catch (const Error& error) {
    notice(std::string(error.what()) + "; the record of layers begins anew");
  }
}

bool TrainingRun::train() {
  if (!is_saved_) {
    write_resumable(std::nan(""));
    if (flags_.overwrite && folder_.is_writer()) {
      remove_earlier_run(folder_.folder());
    }
  }
  folder_.write_configuration();
  write_summary(RunStatus::kRunning);
  if (wants_events_ && folder_.is_writer()) {
    events_ = std::make_unique<EventLog>(folder_.folder(), trainer_.state().next_epoch);
  }
  for (;;) {
    try {
      if (trainer_.run()) {
        return true;
      }
      break;
    } catch (const DivergenceError& error) {
      progress_.end();
      roll_back(error.what());
    }
  }
  progress_.end();
  if (!is_saved_ || saved_position_ != position()) {
    require_finite();
    save(std::nan(""));
  }
  write_summary(RunStatus::kStopped);
  if (is_saved_) {
    notice("stopped by a signal; state saved in " + folder_.file("checkpoint.h5"));
  }
  return false;
}

TrainingRun::Position TrainingRun::position() const {
  const auto state = trainer_.state();
  return {state.next_epoch, state.next_step};
}

void TrainingRun::require_finite() const {
  const auto name = first_not_finite(save_network(*model_.network));
  if (!name.empty()) {
    const auto [epoch, step] = position();
    const auto place = step == 0 ? "end of epoch " + std::to_string(epoch - 1)
                                 : "epoch " + std::to_string(epoch) + ", step " + std::to_string(step - 1);
    throw DivergenceError(place + ": " + name + " holds a number that is not finite (a lower --lr may help)");
  }
}

Resumable TrainingRun::last_good(const std::string& why) const {
  try {
    return read_interrupted(folder_.folder());
  } catch (const Error& error) {
    throw Error(why + "; no checkpoint to go back to: " + error.what());
  }
}

// Goes back to the last checkpoint, or ends the run.
void TrainingRun::roll_back(const std::string& why) {
  const auto found = last_good(why);
  wait_for_ranks();  // before the first one writes there again
  auto state = *found.file.training;
  const auto place =
      "epoch " + std::to_string(state.next_epoch) + ", step " + std::to_string(state.next_step);
  const auto good = "; last good checkpoint: " + found.path + " (" + place + ")";
  if (flags_.on_nan != "rollback") {
    throw Error(why + good);
  }
  // What has been halved since that checkpoint counts as well.
  state.rate_factor = trainer_.state().rate_factor / 2;
  if (state.rate_factor < kLeastRateFactor) {
    throw Error(why + ", after three rollbacks" + good);
  }
  load_network(*model_.network, found.file.network);
  method_.adopt(*model_.network);
  take_up(state, found.path);
  notice(why + good + "; going back to it");
  std::cout << "rolled back to " << place << rate_text(state.rate_factor) << "\n";
  check_record();
  save(found.file.top1);
}

Evaluation TrainingRun::finish() {
  auto state = trainer_.state();
  auto before = save_network(*model_.network);
  if (trainer_.finish()) {
    state.network = std::move(before);
  }
  const auto evaluation = evaluate_finite(*model_.network, *data_.test);
  auto checkpoint = current_checkpoint(evaluation.top1());
  checkpoint.training = std::move(state);
  write_pending();
  summary_.take_final(checkpoint, evaluation);
  folder_.write_resumable(std::move(checkpoint));
  is_saved_ = true;
  if (events_) {
    attempt([&] { events_->add_final(options_.epochs, evaluation, *model_.network); }, "");
  }
  return evaluation;
}

bool TrainingRun::is_complete() const {
  return !log_is_pending_ && !adjustments_are_pending_ && !layers_are_pending_ && snapshots_.empty() &&
         !summary_is_pending_ && (!events_ || events_->is_flushed());
}

void TrainingRun::load_best() {
  if (best_) {
    load_network(*model_.network, best_->network);
    method_.adopt(*model_.network);
  }
}

void TrainingRun::on_epoch_start(int64_t epoch, int64_t steps, int64_t first_step) {
  steps_ = steps;
  epoch_ = epoch;
  progress_.begin("epoch " + std::to_string(epoch + 1) + "/" + std::to_string(options_.epochs), steps,
                  first_step);
}

void TrainingRun::on_step(int64_t step, double mean_loss, double top1) {
  ++steps_done_;
  progress_.update(step, progress_note(step, mean_loss, top1));
  if (flags_.checkpoint_steps > 0 && step % flags_.checkpoint_steps == 0 && step < steps_) {
    require_finite();
    save(std::nan(""));
  }
}

// "loss 0.4132, train 86.21 %, valid 84.10 %, comp 6.52, ETA 3:12:05": of the whole run.
std::string TrainingRun::progress_note(int64_t step, double mean_loss, double top1) const {
  std::ostringstream note;
  note << std::fixed << std::setprecision(4) << "loss " << mean_loss << std::setprecision(2) << ", train "
       << top1 << " %";
  if (last_) {
    note << ", valid " << last_->validation.top1() << " %";
  }
  if (comp_ > 1) {
    note << ", comp " << comp_;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const int64_t left = (options_.epochs - epoch_ - 1) * steps_ + steps_ - step;
  note << ", ETA " << clock_text(seconds / static_cast<double>(steps_done_) * static_cast<double>(left));
  return note.str();
}

void TrainingRun::on_adjusted(int64_t epoch) {
  std::cout << (epoch == options_.epochs ? "final precision adjustment" : method_.milestone(epoch)) << "\n";
  print_statistics(std::cout, *model_.network);
  check_record();
  comp_ = sizes_of(*model_.network).comp();
  adjustments_.add(epoch, *model_.network);
  adjustments_are_pending_ = true;
  if (flags_.snapshots && epoch < options_.epochs) {
    auto snapshot = current_checkpoint(std::nan(""));
    snapshot.network = codes_of_network(*model_.network);
    snapshots_.insert_or_assign(epoch, std::move(snapshot));
    write_snapshots();
  }
}

void TrainingRun::write_snapshots() {
  while (!snapshots_.empty()) {
    const auto& [epoch, snapshot] = *snapshots_.begin();
    const auto name = "snapshots/epoch-" + std::to_string(epoch) + ".h5";
    const bool is_written = attempt(
        [&, &network = snapshot] {
          make_folders(folder_.file("snapshots"));
          folder_.write(name, network);
        },
        kAgain);
    if (!is_written) {
      break;
    }
    snapshots_.erase(snapshots_.begin());
  }
}

void TrainingRun::print_epoch(const EpochReport& report) const {
  std::cout << std::fixed << std::setprecision(4) << "epoch " << report.epoch << "  lr "
            << std::setprecision(6) << report.learning_rate << std::setprecision(4) << "  train loss "
            << report.train_loss << "  train top-1 " << std::setprecision(2) << report.train_top1
            << "  valid loss " << std::setprecision(4) << report.validation.loss << "  valid top-1 "
            << std::setprecision(2) << report.validation.top1();
  for (const auto& [name, value] : report.metrics) {
    std::cout << "  " << lower(name) << " " << value;
  }
  std::cout << "  " << std::setprecision(1) << report.seconds << " s" << (report.is_best ? "  best" : "")
            << "\n";
  check_record();
}

// The epoch is saved before anything is printed: a reader of stdout may keep the program waiting.
void TrainingRun::on_epoch_end(const EpochReport& report) {
  progress_.end();
  require_finite();
  last_ = report;
  comp_ = report.comp;
  if (report.is_best) {
    best_ = current_checkpoint(report.validation.top1());
    best_is_pending_ = true;
  }
  log_is_pending_ = true;
  const auto warnings = layers_.add(report.epoch, report.layers);
  layers_are_pending_ = !layers_.empty();
  save(report.validation.top1());
  report_damage(data_);
  for (const auto& warning : warnings) {
    notice("end of epoch " + std::to_string(report.epoch) + ": " + warning);
  }
  if (events_) {
    attempt([&] { events_->add_epoch(report, *model_.network); }, "; tried again after the next epoch");
  }
  print_epoch(report);
}

void TrainingRun::on_ranks_apart(int64_t epoch) {
  progress_.end();
  notice("end of epoch " + std::to_string(epoch) +
         ": the ranks' networks differ, as on machines of several kinds; all go on with that of rank 0");
}

Checkpoint TrainingRun::current_checkpoint(double top1) const {
  Checkpoint checkpoint;
  checkpoint.method = method_.name();
  checkpoint.description = model_.network->description();
  checkpoint.dataset = data_.dataset;
  checkpoint.data = data_.record;
  checkpoint.top1 = top1;
  checkpoint.epoch = trainer_.state().next_epoch - 1;
  const auto sizes = sizes_of(*model_.network);
  checkpoint.comp = sizes.comp();
  checkpoint.comp_stored = sizes.comp_stored();
  checkpoint.program = program_text(*model_.network);
  checkpoint.network = save_network(*model_.network);
  return checkpoint;
}

// Does it, or says why not and what follows.
bool TrainingRun::attempt(const std::function<void()>& write, const char* consequence) {
  try {
    write();
    return true;
  } catch (const std::exception& error) {
    progress_.end();
    const std::string what = error.what();
    notice(what.substr(0, what.find('\n')) + consequence);
    return false;
  }
}

void TrainingRun::restore_folder() {
  if (!folder_.restore()) {
    return;
  }
  notice(folder_.folder() + ": was removed, emptied or out of reach while the run went on; written again");
  folder_.write_configuration();
  best_is_pending_ = best_.has_value();
  log_is_pending_ = !trainer_.state().history.empty();
  adjustments_are_pending_ = !adjustments_.empty();
  layers_are_pending_ = !layers_.empty();
}

// These come before the checkpoint, which counts on model_best.h5 and can do without the texts.
void TrainingRun::write_pending() {
  restore_folder();
  if (best_is_pending_) {
    folder_.write("model_best.h5", *best_);
    best_is_pending_ = false;
  }
  if (log_is_pending_) {
    const auto log = run_log_of(trainer_.state());
    log_is_pending_ = !attempt(
        [&] {
          folder_.write_text("log.txt", run_log_text(log));
          folder_.write_text("results.csv", run_log_csv(log));
        },
        kAgain);
  }
  if (adjustments_are_pending_) {
    adjustments_are_pending_ =
        !attempt([&] { folder_.write_text("adjustments.csv", adjustments_.text()); }, kAgain);
  }
  write_snapshots();
  if (layers_are_pending_) {
    layers_are_pending_ = !attempt([&] { folder_.write_text("layers.csv", layers_.text()); }, kAgain);
  }
}

void TrainingRun::write_summary(RunStatus status) {
  if (!folder_.is_writer()) {
    return;
  }
  summary_is_pending_ = !attempt([&] { summary_.write(status); }, kAgain);
}

void TrainingRun::write_resumable(double top1) {
  if (!folder_.is_writer()) {
    saved_position_ = position();
    is_saved_ = true;
    return;
  }
  auto checkpoint = current_checkpoint(top1);
  checkpoint.training = trainer_.state();
  summary_.take_state(*checkpoint.training, checkpoint, best_ ? &*best_ : nullptr);
  folder_.write_resumable(std::move(checkpoint));
  saved_position_ = position();
  is_saved_ = true;
}

void TrainingRun::save(double top1) {
  is_saved_ = attempt(
      [&] {
        write_pending();
        write_resumable(top1);
      },
      "; nothing saved at this point, the run goes on and tries again at the next");
  write_summary(RunStatus::kRunning);
}

}  // namespace bsq::cli
