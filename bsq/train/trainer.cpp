#include "bsq/train/trainer.h"

#include <torch/utils.h>

#include <chrono>
#include <cmath>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/data/random.h"
#include "bsq/nn/network_sizes.h"
#include "bsq/train/batch_loss.h"
#include "bsq/train/divergence.h"
#include "bsq/train/generators.h"
#include "bsq/train/shared_state.h"

namespace bsq {
namespace {

std::vector<std::string> columns_of(const Method& method) {
  std::vector<std::string> columns = {"Learning Rate", "Train Loss", "Valid Loss", "Train Acc.",
                                      "Valid Acc."};
  const auto own = method.metric_names();
  columns.insert(columns.end(), own.begin(), own.end());
  columns.insert(columns.end(), {"Comp Stored", "Seconds", "Wait %"});
  return columns;
}

EpochRecord record_of(const EpochReport& report) {
  EpochRecord record = {report.learning_rate, report.train_loss, report.validation.loss, report.train_top1,
                        report.validation.top1()};
  for (const auto& [name, value] : report.metrics) {
    record.push_back(value);
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

std::map<std::string, torch::Tensor> save_slots(const Slots& slots) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& slot : slots) {
    tensors[slot.name] = slot.tensor.detach().cpu().contiguous().clone();
  }
  return tensors;
}

void load_slots(const Slots& slots, const std::map<std::string, torch::Tensor>& tensors) {
  torch::NoGradGuard no_grad;
  for (auto slot : slots) {
    const auto found = tensors.find(slot.name);
    if (found == tensors.end() && slot.may_be_absent) {
      continue;
    }
    if (found == tensors.end() || found->second.sizes() != slot.tensor.sizes()) {
      throw Error("training state: the method's " + slot.name + " is missing or of another shape");
    }
    slot.tensor.copy_(found->second);
  }
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Trainer::Trainer(std::shared_ptr<Network> network, Method& method, BatchLoader& training,
                 BatchLoader& validation, const TrainerOptions& options, TrainerObserver& observer)
    : network_(std::move(network)),
      method_(method),
      training_(training),
      validation_(validation),
      options_(options),
      schedule_(options_, method, training.batches()),
      observer_(observer),
      ranks_(current_ranks()) {
  state_.columns = columns_of(method);
  if (options_.average_decay > 0) {
    average_.emplace(options_.average_decay);
  }
  method_.plan({options_.epochs, training_.batches()});
  make_optimizer();
  begin_records();
}

// An optimizer with the momentum and the weight decay of this step. It goes on from the momenta of the last
// one, as that of a resumed run does.
void Trainer::follow_phases(int64_t step) {
  const auto wanted = schedule_.settings(state_.next_epoch, step, options_.epochs);
  if (wanted.momentum != made_with_.momentum || wanted.weight_decay != made_with_.weight_decay) {
    const auto momenta = optimizer_->state();
    make_optimizer();
    optimizer_->load(momenta);
  }
}

void Trainer::make_optimizer() {
  made_with_ = schedule_.settings(state_.next_epoch, state_.next_step, options_.epochs);
  optimizer_ = method_.make_optimizer(*network_, {made_with_.momentum, made_with_.weight_decay});
  exchange_.reset();
  if (ranks_ != nullptr) {
    exchange_ = std::make_unique<GradientExchange>(*network_, *ranks_);
  }
}

void Trainer::begin_records() {
  watch_.begin(*network_);
  if (average_) {
    average_->begin(*network_);
  }
}

// Puts the average in place of what is trained, or the other way round.
void Trainer::use_average(bool is_used) {
  if (average_ && is_used != is_average_used_) {
    average_->exchange(*network_);
    is_average_used_ = is_used;
  }
}

void Trainer::resume(const TrainingState& state) {
  check_state(state, state_.columns, training_.batches());
  state_ = state;
  state_.network.clear();
  method_.go_on(state.next_epoch, state.next_step);
  load_slots(method_.state(), state.method);
  begin_records();
  load_slots(trainer_slots(), state.method);
  is_average_used_ = average_ && state.next_step == 0;
  use_average(false);  // an optimizer may compute from what it trains when it is made
  make_optimizer();
  optimizer_->load(state.optimizer);
  set_generator_states(device_of(*network_), state.generators);
  auto sums = state.sums;
  const auto take = [&](const char* name) {
    const auto entry = sums.extract(name);
    return entry ? entry.mapped() : 0.0;
  };
  sums_.loss = take("loss");
  sums_.correct = take("correct");
  sums_.images = take("images");
  sums_.steps = take("steps");
  sums_.seconds = take("seconds");
  sums_.waited = take("waited");
  sums_.method = sums;
}

Slots Trainer::trainer_slots() const {
  auto slots = watch_.slots();
  if (average_) {
    const auto averaged = average_->slots();
    slots.insert(slots.end(), averaged.begin(), averaged.end());
  }
  return slots;
}

// The tensors beside the network's that a run needs to go on.
Slots Trainer::own_slots() const {
  auto slots = method_.state();
  const auto own = trainer_slots();
  slots.insert(slots.end(), own.begin(), own.end());
  return slots;
}

TrainingState Trainer::state() const {
  TrainingState state = state_;
  state.ranks = ranks_ == nullptr ? 1 : ranks_->count();
  state.optimizer = optimizer_->state();
  state.method = save_slots(own_slots());
  state.generators = generator_states(device_of(*network_));
  state.sums = sums_.method;
  state.sums.insert({{"loss", sums_.loss},
                     {"correct", sums_.correct},
                     {"images", sums_.images},
                     {"steps", sums_.steps},
                     {"seconds", sums_.seconds},
                     {"waited", sums_.waited}});
  return state;
}

// Puts rank 0's network and state in place of this rank's. `begun_step`: more than 0 where the method has
// been told of the epoch.
void Trainer::take_from_first(int64_t begun_step) {
  if (ranks_ == nullptr) {
    return;
  }
  const auto first = state_of_first(*ranks_, {state_.next_epoch, state_.next_step, save_network(*network_),
                                              optimizer_->state(), save_slots(own_slots())});
  if (ranks_->rank() == 0) {
    return;
  }
  load_network(*network_, first.network);
  method_.adopt(*network_);
  method_.go_on(first.next_epoch, begun_step);
  load_slots(method_.state(), first.method);
  make_optimizer();
  begin_records();
  optimizer_->load(first.optimizer);
  load_slots(trainer_slots(), first.method);
}

// Whether any rank is asked to stop.
bool Trainer::all_stop() {
  StepResult own;
  own.wants_stop = observer_.should_stop();
  return over_ranks(own).wants_stop;
}

bool Trainer::run() {
  take_from_first(state_.next_step);
  for (int64_t epoch = state_.next_epoch; epoch < options_.epochs; ++epoch) {
    if (!run_epoch(epoch)) {
      return false;
    }
    if (epoch + 1 < options_.epochs && all_stop()) {
      return false;
    }
  }
  return true;
}

bool Trainer::run_epoch(int64_t epoch) {
  use_average(false);
  state_.learning_rate = state_.rate_factor * schedule_.epoch_rate(epoch, options_.epochs);
  if (state_.next_step == 0 && method_.before_epoch(*network_, epoch)) {
    if (method_.calibrates() && needs_calibration(*network_)) {
      calibrate(*network_, training_, /*batches=*/1);
    }
    make_optimizer();
    begin_records();
    take_from_first(/*begun_step=*/1);
    observer_.on_adjusted(epoch);
  }
  network_->train();
  training_.start(epoch, state_.next_step);
  observer_.on_epoch_start(epoch, training_.batches(), state_.next_step);
  auto start = std::chrono::steady_clock::now();
  const double waited_before = sums_.waited;
  while (const auto batch = training_.next()) {
    const auto result = train_batch(*batch);
    state_.next_step = batch->index + 1;
    sums_.seconds += seconds_since(start);
    sums_.waited = waited_before + training_.wait_seconds();
    observer_.on_step(state_.next_step, sums_.loss / sums_.images, 100.0 * sums_.correct / sums_.images);
    const bool wants_stop = ranks_ == nullptr ? observer_.should_stop() : result.wants_stop;
    if (state_.next_step < training_.batches() && wants_stop) {
      return false;
    }
    start = std::chrono::steady_clock::now();
  }
  end_epoch(epoch);
  return true;
}

// The first rank whose loss is not finite looks for the place, alone; all tell it.
void Trainer::fail_on_loss(double own_loss, const Batch& batch) {
  int64_t speaker = 0;
  if (ranks_ != nullptr) {
    const auto losses = ranks_->gather(torch::tensor({own_loss}, torch::kFloat64));
    while (std::isfinite(losses.at(static_cast<size_t>(speaker)).item<double>())) {
      ++speaker;
    }
  }
  std::string what;
  if (ranks_ == nullptr || ranks_->rank() == speaker) {
    what = std::string("the loss is ") + (std::isnan(own_loss) ? "nan" : "infinite") +
           "; not finite first: " + origin_of_divergence(*network_, batch.images.to(device_of(*network_)));
  }
  if (ranks_ != nullptr) {
    what = text_of_rank(*ranks_, speaker, what);
  }
  throw DivergenceError("epoch " + std::to_string(state_.next_epoch) + ", step " +
                        std::to_string(batch.index) + ": " + what + " (a lower --lr may help)");
}

// The sum over the ranks of what each takes here is the loss of the whole batch: `share` is the part of its
// images that this rank has, and of the method's term, which is the same on all, each takes its part.
void Trainer::backward(const torch::Tensor& loss, const torch::Tensor& term, double share) {
  if (ranks_ == nullptr) {
    (term.defined() ? loss + term : loss).backward();
    return;
  }
  const auto own = loss * share;
  exchange_->begin();
  (term.defined() ? own + term / static_cast<double>(ranks_->count()) : own).backward();
}

// Every rank draws its own numbers. They follow from the position alone, so that nothing of them is stored.
void Trainer::draw_for(int64_t step) const {
  if (ranks_ != nullptr) {
    Random random(options_.seed, RandomPurpose::kRanks,
                  static_cast<uint64_t>(state_.next_epoch * training_.batches() + step),
                  static_cast<uint64_t>(ranks_->rank()));
    torch::manual_seed(random.next());
  }
}

// Added in the order of the ranks.
Trainer::StepResult Trainer::over_ranks(const StepResult& own) const {
  if (ranks_ == nullptr) {
    return own;
  }
  const auto sums = ordered_sum(
      *ranks_, torch::tensor(
                   {own.loss, own.correct, own.images, own.is_finite ? 0.0 : 1.0, own.wants_stop ? 1.0 : 0.0},
                   torch::kFloat64));
  const double* sum = sums.data_ptr<double>();
  return {sum[0], sum[1], sum[2], sum[3] == 0, sum[4] > 0};
}

Trainer::StepResult Trainer::train_batch(const Batch& batch) {
  const StepScope step(ranks_, Ranks::StepKind::kTraining);
  const auto moved = on_device(batch, device_of(*network_));
  const StatisticsScope statistics(options_.shares_statistics ? ranks_ : nullptr);
  draw_for(batch.index);
  watch_.before_step(*network_, batch.index, training_.batches());
  follow_phases(batch.index);
  optimizer_->zero_grad();
  const auto logits = network_->forward(moved.images);
  const auto cross_entropy = batch_cross_entropy(logits, moved, /*smoothing=*/0);
  const double value = cross_entropy.item<double>();
  const auto count = static_cast<double>(moved.labels.size(0));
  StepResult own;
  own.loss = value * count;
  own.correct = correct_of_batch(logits, moved);
  own.images = count;
  own.is_finite = std::isfinite(value);
  own.wants_stop = ranks_ != nullptr && observer_.should_stop();
  const auto result = over_ranks(own);
  if (!result.is_finite) {
    const StatisticsScope alone(nullptr);
    fail_on_loss(value, batch);
  }
  backward(training_loss(cross_entropy, logits, moved, options_.label_smoothing, options_.distillation),
           method_.loss_term(*network_), count / static_cast<double>(batch.of_images));
  if (ranks_ != nullptr) {
    if (!options_.shares_statistics) {
      average_tracked(*ranks_, *network_);
    }
    exchange_->finish();
  }
  optimizer_->step(rate_at(state_.next_epoch, batch.index, options_.epochs));
  method_.after_step(*network_, sums_.method);
  watch_.after_step(*network_);
  if (average_) {
    average_->after_step();
  }
  sums_.loss += result.loss;
  sums_.correct += result.correct;
  sums_.images += result.images;
  sums_.steps += 1;
  return result;
}

void Trainer::check_record(int64_t epoch, const std::string& name, double value) const {
  if (std::isfinite(value)) {
    return;
  }
  const auto tensor = first_not_finite(save_network(*network_));
  throw DivergenceError("end of epoch " + std::to_string(epoch) + ": " +
                        (tensor.empty() ? "the " + name + " is " + (std::isnan(value) ? "nan" : "infinite")
                                        : tensor + " holds a number that is not finite") +
                        " (a lower --lr may help)");
}

void Trainer::end_epoch(int64_t epoch) {
  if (ranks_ != nullptr && !have_same_bits(*ranks_, *network_)) {
    take_from_first(/*begun_step=*/1);
    observer_.on_ranks_apart(epoch);
  }
  EpochReport report{};
  report.epoch = epoch;
  report.learning_rate = rate_at(epoch, /*step=*/0, options_.epochs);
  report.layers = watch_.records(*network_);
  report.train_loss = sums_.loss / sums_.images;
  report.train_top1 = 100.0 * sums_.correct / sums_.images;
  use_average(true);
  if (options_.reestimate > 0) {
    const StatisticsScope statistics(options_.shares_statistics ? ranks_ : nullptr);
    reestimate_statistics(*network_, training_, epoch, options_.reestimate);
    method_.after_estimate(*network_);
  }
  report.validation = evaluate(*network_, validation_);
  check_record(epoch, "validation loss", report.validation.loss);
  // A metric may be infinite, as comp is of a network without bits.
  const auto sizes = sizes_of(*network_);
  const auto names = method_.metric_names();
  const auto values = method_.measure(*network_, sums_.method, sums_.steps, sizes);
  for (size_t i = 0; i < names.size(); ++i) {
    check_record(epoch, names[i], std::isnan(values.at(i)) ? values.at(i) : 0);
    report.metrics.emplace_back(names[i], values.at(i));
  }
  report.comp = sizes.comp();
  report.comp_stored = sizes.comp_stored();
  report.seconds = sums_.seconds;
  report.wait_percent = 100.0 * sums_.waited / std::max(sums_.seconds, 1e-9);
  report.is_best = report.validation.top1() > state_.best_top1;
  if (report.is_best) {
    state_.best_top1 = report.validation.top1();
    state_.best_epoch = epoch;
  }
  state_.next_epoch = epoch + 1;
  state_.next_step = 0;
  state_.history.push_back(record_of(report));
  sums_ = {};
  watch_.begin(*network_);
  observer_.on_epoch_end(report);
}

// The final network is rank 0's.
void Trainer::take_final() {
  if (ranks_ != nullptr) {
    const auto first =
        state_of_first(*ranks_, {state_.next_epoch, state_.next_step, save_network(*network_), {}, {}});
    if (ranks_->rank() != 0) {
      load_network(*network_, first.network);
      method_.adopt(*network_);
      make_optimizer();
      begin_records();
    }
  }
}

bool Trainer::finish() {
  use_average(true);
  if (!method_.end(*network_)) {
    return false;
  }
  make_optimizer();
  begin_records();
  take_final();
  observer_.on_adjusted(options_.epochs);
  if (options_.reestimate > 0) {
    const StatisticsScope statistics(options_.shares_statistics ? ranks_ : nullptr);
    reestimate_statistics(*network_, training_, options_.epochs, options_.reestimate);
    method_.after_estimate(*network_);
  }
  return true;
}

}  // namespace bsq
