#include "bsq/train/trainer.h"

#include <chrono>
#include <cmath>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/nn/network_bits.h"
#include "bsq/train/divergence.h"
#include "bsq/train/generators.h"
#include "bsq/train/schedule.h"
#include "bsq/train/statistics.h"

namespace bsq {
namespace {

Representation representation_of(TrainingMethod method) {
  switch (method) {
    case TrainingMethod::kFloat:
      return Representation::kFloat;
    case TrainingMethod::kBits:
      return Representation::kBits;
    default:
      return Representation::kFrozen;
  }
}

std::vector<std::string> columns_of(TrainingMethod method) {
  std::vector<std::string> columns = {"Learning Rate", "Train Loss", "Valid Loss", "Train Acc.",
                                      "Valid Acc."};
  if (method == TrainingMethod::kBits) {
    columns.insert(columns.end(), {"Reg Loss", "Comp"});
  }
  columns.insert(columns.end(), {"Comp Stored", "Seconds", "Wait %"});
  return columns;
}

EpochRecord record_of(const EpochReport& report, TrainingMethod method) {
  EpochRecord record = {report.learning_rate, report.train_loss, report.validation.loss, report.train_top1,
                        report.validation.top1()};
  if (method == TrainingMethod::kBits) {
    record.insert(record.end(), {report.penalty, report.comp});
  }
  record.insert(record.end(), {report.comp_stored, report.seconds, report.wait_percent});
  return record;
}

void check_state(const TrainingState& state, const std::vector<std::string>& columns, int64_t steps) {
  if (state.next_step > steps) {
    throw Error("training state: step " + std::to_string(state.next_step) +
                " of an epoch; expected at most " + std::to_string(steps) +
                ", as these images and this batch size give");
  }
  if (state.columns != columns) {
    throw Error("training state: the columns of its history are not those of this kind of run");
  }
  if (!(state.rate_factor > 0 && state.rate_factor <= 1)) {
    throw Error("training state: learning rate factor " + std::to_string(state.rate_factor) +
                "; expected more than 0, at most 1");
  }
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Trainer::Trainer(std::shared_ptr<Network> network, BatchLoader& training, BatchLoader& validation,
                 const TrainerOptions& options, TrainerObserver& observer)
    : network_(std::move(network)),
      training_(training),
      validation_(validation),
      options_(options),
      observer_(observer) {
  if (network_representation(*network_) != representation_of(options.method)) {
    throw std::logic_error("trainer: the network's representation is not the method's");
  }
  state_.columns = columns_of(options.method);
  make_optimizer();
}

void Trainer::make_optimizer() {
  const double penalty = options_.method == TrainingMethod::kBits ? options_.penalty : 0.0;
  optimizer_ = std::make_unique<BsqOptimizer>(*network_, BsqOptimizerOptions()
                                                             .learning_rate(options_.learning_rate)
                                                             .momentum(options_.momentum)
                                                             .weight_decay(options_.weight_decay)
                                                             .penalty(penalty));
}

void Trainer::resume(const TrainingState& state) {
  check_state(state, state_.columns, training_.batches());
  state_ = state;
  state_.network.clear();
  make_optimizer();
  optimizer_->load(state.optimizer);
  set_generator_states(device_of(*network_), state.generators);
  const auto sum = [&](const char* name) { return state.sums.count(name) ? state.sums.at(name) : 0.0; };
  sums_ = {sum("loss"),  sum("correct"), sum("images"), sum("penalty"),
           sum("steps"), sum("seconds"), sum("waited")};
}

TrainingState Trainer::state() const {
  TrainingState state = state_;
  state.optimizer = optimizer_->state();
  state.generators = generator_states(device_of(*network_));
  state.sums = {{"loss", sums_.loss},       {"correct", sums_.correct}, {"images", sums_.images},
                {"penalty", sums_.penalty}, {"steps", sums_.steps},     {"seconds", sums_.seconds},
                {"waited", sums_.waited}};
  return state;
}

bool Trainer::run() {
  for (int64_t epoch = state_.next_epoch; epoch < options_.epochs; ++epoch) {
    if (!run_epoch(epoch)) {
      return false;
    }
    if (epoch + 1 < options_.epochs && observer_.should_stop()) {
      return false;
    }
  }
  return true;
}

bool Trainer::run_epoch(int64_t epoch) {
  state_.learning_rate =
      state_.rate_factor * learning_rate_at(epoch, options_.learning_rate, options_.gamma, options_.schedule);
  const bool is_interval =
      options_.method == TrainingMethod::kBits && epoch % options_.adjustment_interval == 0;
  if (is_interval && state_.next_step == 0) {
    adjust(epoch, options_.threshold);
  }
  network_->train();
  training_.start(epoch, state_.next_step);
  observer_.on_epoch_start(epoch, training_.batches(), state_.next_step);
  auto start = std::chrono::steady_clock::now();
  const double waited_before = sums_.waited;
  while (const auto batch = training_.next()) {
    train_batch(*batch);
    state_.next_step = batch->index + 1;
    sums_.seconds += seconds_since(start);
    sums_.waited = waited_before + training_.wait_seconds();
    observer_.on_step(state_.next_step, sums_.loss / sums_.images, 100.0 * sums_.correct / sums_.images);
    if (state_.next_step < training_.batches() && observer_.should_stop()) {
      return false;
    }
    start = std::chrono::steady_clock::now();
  }
  end_epoch(epoch);
  return true;
}

double Trainer::step_rate(int64_t step) const {
  const bool adjusts = options_.method == TrainingMethod::kBits;
  const int64_t epochs = adjusts ? state_.next_epoch % options_.adjustment_interval : state_.next_epoch;
  return state_.learning_rate * warmup_factor(epochs * training_.batches() + step, options_.warmup);
}

void Trainer::train_batch(const Batch& batch) {
  const auto device = network_->parameters().front().device();
  const auto labels = batch.labels.to(device);
  optimizer_->zero_grad();
  const auto logits = network_->forward(batch.images.to(device));
  const auto loss = torch::nn::functional::cross_entropy(logits, labels);
  const double value = loss.item<double>();
  if (!std::isfinite(value)) {
    throw DivergenceError("epoch " + std::to_string(state_.next_epoch) + ", step " +
                          std::to_string(batch.index) + ": the loss is " +
                          (std::isnan(value) ? "nan" : "infinite") +
                          "; not finite first: " + origin_of_divergence(*network_, batch.images.to(device)) +
                          " (a lower --lr may help)");
  }
  loss.backward();
  optimizer_->set_learning_rate(step_rate(batch.index));
  optimizer_->step();
  const auto count = static_cast<double>(labels.size(0));
  sums_.loss += value * count;
  sums_.correct += logits.detach().argmax(/*dim=*/1).eq(labels).sum().item<double>();
  sums_.images += count;
  sums_.penalty += optimizer_->penalty();
  sums_.steps += 1;
}

void Trainer::adjust(int64_t epoch, double threshold) {
  requantize_network(*network_, options_.max_bits);
  adjust_network(*network_, threshold);
  make_optimizer();
  observer_.on_adjusted(epoch);
}

void Trainer::end_epoch(int64_t epoch) {
  EpochReport report{};
  report.epoch = epoch;
  report.learning_rate = state_.learning_rate;
  report.train_loss = sums_.loss / sums_.images;
  report.train_top1 = 100.0 * sums_.correct / sums_.images;
  report.validation = evaluate(*network_, validation_);
  report.penalty = sums_.penalty / sums_.steps;
  const auto compression = compression_of(*network_);
  report.comp = compression.comp;
  report.comp_stored = compression.comp_stored;
  report.seconds = sums_.seconds;
  report.wait_percent = 100.0 * sums_.waited / std::max(sums_.seconds, 1e-9);
  report.is_best = report.validation.top1() > state_.best_top1;
  if (report.is_best) {
    state_.best_top1 = report.validation.top1();
    state_.best_epoch = epoch;
  }
  state_.next_epoch = epoch + 1;
  state_.next_step = 0;
  state_.history.push_back(record_of(report, options_.method));
  sums_ = {};
  observer_.on_epoch_end(report);
}

void Trainer::finish() {
  if (options_.method == TrainingMethod::kBits) {
    adjust(options_.epochs, /*threshold=*/0);
  }
}

}  // namespace bsq
