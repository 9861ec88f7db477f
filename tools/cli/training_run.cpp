#include "tools/cli/training_run.h"

#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "bsq/error.h"
#include "bsq/nn/network_bits.h"
#include "bsq/train/run_log.h"
#include "bsq/train/statistics.h"

namespace bsq::cli {
namespace {

volatile std::sig_atomic_t stop_signal = 0;

void on_signal(int signal) {
  if (stop_signal == SIGINT && signal == SIGINT) {
    _exit(130);
  }
  stop_signal = signal;
}

CheckpointKind kind_of(Network& network) {
  switch (network_representation(network)) {
    case Representation::kFloat:
      return CheckpointKind::kFloat;
    case Representation::kBits:
      return CheckpointKind::kBits;
    default:
      return CheckpointKind::kFrozen;
  }
}

}  // namespace

int stop_status() { return stop_signal == 0 ? 0 : 128 + stop_signal; }

void watch_signals() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

TrainerOptions options_of(const TrainingFlags& flags, TrainingMethod method) {
  TrainerOptions options;
  options.method = method;
  options.epochs = flags.epochs;
  options.learning_rate = flags.learning_rate;
  options.momentum = flags.momentum;
  options.weight_decay = flags.weight_decay;
  options.schedule = flags.schedule;
  options.gamma = flags.gamma;
  return options;
}

Checkpoint read_interrupted(const std::string& path) {
  auto file = read_checkpoint(path);
  if (!file.training) {
    throw Error(path + ": holds no training state; expected the checkpoint of a training run");
  }
  if (!file.training->network.empty()) {
    file.network = file.training->network;
  }
  return file;
}

TrainingRun::TrainingRun(Model& model, Data& data, RunFolder& folder, const TrainerOptions& options,
                         const TrainingFlags& flags)
    : model_(model),
      data_(data),
      folder_(folder),
      options_(options),
      progress_(std::cerr, isatty(STDERR_FILENO) != 0),
      trainer_(model.network, *data.training, *data.validation, options, *this),
      wants_events_(flags.tensorboard) {
  trainer_.start_at(flags.start_epoch);
}

void TrainingRun::resume(const TrainingState& state) {
  trainer_.resume(state);
  take_up_adjustments(state);
  std::cout << "resumed at epoch " << state.next_epoch << ", step " << state.next_step << std::endl;
}

bool TrainingRun::train() {
  folder_.write_configuration();
  if (wants_events_) {
    events_ = std::make_unique<EventLog>(folder_.path(), trainer_.state().next_epoch);
  }
  if (trainer_.run()) {
    return true;
  }
  progress_.end();
  save_resumable(std::nan(""));
  std::cerr << "stopped by a signal; state saved in " << folder_.file("checkpoint.h5") << std::endl;
  return false;
}

Evaluation TrainingRun::finish() {
  auto state = trainer_.state();
  const bool changes = options_.method == TrainingMethod::kBits;
  if (changes) {
    state.network = save_network(*model_.network);
  }
  trainer_.finish();
  const auto evaluation = evaluate(*model_.network, *data_.test);
  if (events_) {
    events_->add_final(options_.epochs, evaluation, *model_.network);
  }
  auto checkpoint = current_checkpoint(evaluation.top1());
  checkpoint.training = std::move(state);
  folder_.write("checkpoint.h5", std::move(checkpoint));
  return evaluation;
}

void TrainingRun::load_best() {
  if (trainer_.state().best_epoch >= 0) {
    load_network(*model_.network, read_checkpoint(folder_.file("model_best.h5")).network);
  }
}

void TrainingRun::on_epoch_start(int64_t epoch, int64_t steps, int64_t first_step) {
  progress_.begin("epoch " + std::to_string(epoch), steps, first_step);
}

void TrainingRun::on_step(int64_t step, double mean_loss, double top1) {
  std::ostringstream note;
  note << std::fixed << std::setprecision(4) << "loss " << mean_loss << std::setprecision(2) << ", top-1 "
       << top1;
  progress_.update(step, note.str());
}

void TrainingRun::on_adjusted(int64_t epoch) {
  std::cout << (epoch == options_.epochs ? "final precision adjustment"
                                         : "precision adjustment at epoch " + std::to_string(epoch))
            << "\n";
  print_statistics(std::cout, *model_.network);
  std::cout << std::flush;
  const auto compression = compression_of(*model_.network);
  Adjustment adjustment{epoch, compression.comp, compression.comp_stored, {}};
  for (const auto& [name, parameter] : bit_parameters(*model_.network)) {
    adjustment.bits.emplace_back(name, parameter->bits());
  }
  adjustments_.push_back(std::move(adjustment));
  folder_.write_text("adjustments.csv", adjustment_log_text(adjustments_));
}

// Those that the resumed run has behind it; what came after its last saved state comes again.
void TrainingRun::take_up_adjustments(const TrainingState& state) {
  std::ifstream in(folder_.file("adjustments.csv"));
  if (!in) {
    return;
  }
  std::ostringstream text;
  text << in.rdbuf();
  const int64_t first_to_come = state.next_epoch + (state.next_step > 0 ? 1 : 0);
  for (auto& adjustment : parse_adjustment_log(text.str(), folder_.file("adjustments.csv"))) {
    if (adjustment.epoch < first_to_come) {
      adjustments_.push_back(std::move(adjustment));
    }
  }
}

void TrainingRun::on_epoch_end(const EpochReport& report) {
  progress_.end();
  std::cout << std::fixed << std::setprecision(4) << "epoch " << report.epoch << "  lr "
            << std::setprecision(6) << report.learning_rate << std::setprecision(4) << "  train loss "
            << report.train_loss << "  train top-1 " << std::setprecision(2) << report.train_top1
            << "  valid loss " << std::setprecision(4) << report.validation.loss << "  valid top-1 "
            << std::setprecision(2) << report.validation.top1();
  if (options_.method == TrainingMethod::kBits) {
    std::cout << "  penalty " << report.penalty << "  comp " << report.comp;
  }
  std::cout << "  " << std::setprecision(1) << report.seconds << " s" << (report.is_best ? "  best" : "")
            << std::endl;
  if (events_) {
    events_->add_epoch(report, *model_.network, options_.method);
  }
  const auto state = trainer_.state();
  folder_.write_text("log.txt", run_log_text(state.columns, state.history));
  if (report.is_best) {
    folder_.write("model_best.h5", current_checkpoint(report.validation.top1()));
  }
  save_resumable(report.validation.top1());
}

Checkpoint TrainingRun::current_checkpoint(double top1) const {
  Checkpoint checkpoint;
  checkpoint.kind = kind_of(*model_.network);
  checkpoint.description = model_.network->description();
  checkpoint.dataset = data_.dataset;
  checkpoint.top1 = top1;
  checkpoint.epoch = trainer_.state().next_epoch - 1;
  const auto compression = compression_of(*model_.network);
  checkpoint.comp = compression.comp;
  checkpoint.comp_stored = compression.comp_stored;
  checkpoint.network = save_network(*model_.network);
  return checkpoint;
}

void TrainingRun::save_resumable(double top1) {
  auto checkpoint = current_checkpoint(top1);
  checkpoint.training = trainer_.state();
  folder_.write("checkpoint.h5", std::move(checkpoint));
}

}  // namespace bsq::cli
