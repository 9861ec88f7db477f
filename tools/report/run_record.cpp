#include "tools/report/run_record.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>

#include "bsq/base/error.h"
#include "bsq/methods/bsq/precision_adjustment.h"
#include "bsq/methods/bsq/reconstruction.h"
#include "bsq/methods/bsq/requantization.h"
#include "tools/cli/resumable.h"
#include "tools/report/text_file.h"
#include "tools/sweep/result.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kBuckets = 48;
constexpr const char* kFrozen = "/best_bin.h5";
constexpr const char* kBest = "/model_best.h5";

// The binary planes that a stored tensor stands for.
BitPlanes binary_planes(const StoredTensor& stored) {
  switch (stored.encoding) {
    case Encoding::kPlanes:
      return requantize({stored.positive, stored.negative, stored.scale}, stored.bits);
    case Encoding::kBinary:
      return planes_of(stored.value, stored.bits, stored.scale);
    default: {
      const auto levels = static_cast<double>(max_integer(stored.bits));
      return planes_of(round_value(stored.value, stored.bits).mul(levels).round(), stored.bits, stored.scale);
    }
  }
}

void take_weights(TensorRecord& record, const torch::Tensor& weights) {
  const auto values = weights.flatten().to(torch::kFloat64);
  record.low = values.min().item<double>();
  record.high = values.max().item<double>();
  if (record.low < record.high) {
    const auto counts = torch::histc(values, kBuckets, record.low, record.high);
    record.histogram.assign(counts.data_ptr<double>(), counts.data_ptr<double>() + counts.numel());
  }
}

TensorRecord record_of(const std::string& name, const StoredTensor& stored, int64_t bits) {
  TensorRecord record;
  record.name = name;
  record.bits = bits;
  record.shape = stored.encoding == Encoding::kPlanes ? stored.positive.sizes().slice(1).vec()
                                                      : stored.value.sizes().vec();
  record.weights = c10::multiply_integers(record.shape);
  if (bits == 0 || record.weights == 0) {
    return record;
  }
  const auto planes = binary_planes(stored);
  const auto ones = percent_of_ones(planes);
  record.ones.assign(ones.data_ptr<double>(), ones.data_ptr<double>() + ones.numel());
  const auto levels = static_cast<double>(max_integer(planes.bits()));
  take_weights(record, plane_sum(planes.positive, planes.negative).div(levels).mul(planes.scale));
  return record;
}

TensorRecord float_record(const std::string& name, const torch::Tensor& value) {
  TensorRecord record;
  record.name = name;
  record.shape = value.sizes().vec();
  record.weights = value.numel();
  record.bits = kFloatBits;
  return record;
}

// Weights have more than one dimension. Of a float network they are those that would hold bits.
void take_float(RunRecord& run, const std::string& name, const torch::Tensor& value, bool is_float_network) {
  if (!value.is_floating_point()) {
    return;
  }
  if (value.dim() <= 1) {
    run.other_floats += value.numel();
    return;
  }
  auto& tensors = is_float_network ? run.tensors : run.float_tensors;
  tensors.push_back(float_record(name, value));
  if (is_float_network) {
    take_weights(tensors.back(), value);
  }
}

void take_tensors(RunRecord& run, const Checkpoint& file) {
  const auto bits = frozen_bits(file);
  size_t next = 0;
  for (const auto& [name, stored] : file.network) {
    if (stored.encoding == Encoding::kFloat) {
      take_float(run, name, stored.value, file.kind == CheckpointKind::kFloat);
      continue;
    }
    run.tensors.push_back(record_of(name, stored, bits[next++].second));
    run.other_floats += run.tensors.back().bits > 0 ? 1 : 0;  // the scale
  }
}

RunKind kind_of(const Checkpoint& file, const std::vector<std::string>& columns) {
  if (file.kind == CheckpointKind::kFloat) {
    return RunKind::kFloat;
  }
  const bool is_trained = std::find(columns.begin(), columns.end(), "Reg Loss") != columns.end();
  return is_trained ? RunKind::kBits : RunKind::kFinetune;
}

// A run that is resumed with more epochs says so in config.cfg first.
void take_training(RunRecord& run, const Checkpoint& file) {
  if (file.training) {
    run.columns = file.training->columns;
    run.history = file.training->history;
  }
  const auto newest = read_text(run.folder + "/config.cfg");
  run.configuration = newest.empty() ? file.configuration : newest;
}

// bsq_train ends with the final adjustment, which leaves the network before it in the state; finetune with
// best_bin.h5.
bool is_over(const RunRecord& run, const Checkpoint& last) {
  const auto epochs = run.flag("epochs");
  if (!last.training || epochs.empty()) {
    return true;
  }
  const bool has_end = run.kind == RunKind::kFloat  ? true
                       : run.kind == RunKind::kBits ? !last.training->network.empty()
                                                    : fs::exists(run.folder + kFrozen);
  return has_end && last.training->next_epoch >= std::atoll(epochs.c_str());
}

std::optional<Resumable> last_state(const std::string& folder) {
  return holds_state(folder) ? std::optional(read_resumable(folder)) : std::nullopt;
}

// The best epoch of a float run is what sweeps go on from. Before there is one the file is an earlier run's.
bool is_best_wanted(const Checkpoint& last) {
  return last.kind == CheckpointKind::kFloat && last.training && last.training->best_epoch >= 0;
}

std::string model_file(const std::string& folder, const std::optional<Resumable>& last) {
  if (fs::exists(folder + kFrozen)) {
    return folder + kFrozen;
  }
  const bool has_best = fs::exists(folder + kBest);
  return last && !(has_best && is_best_wanted(last->file)) ? last->path : folder + kBest;
}

}  // namespace

int64_t TensorRecord::stored_bits() const {
  return weights * (bits == 0 || bits == kFloatBits ? bits : bits + 1);
}

int64_t RunRecord::stored_bits() const {
  int64_t sum = kFloatBits * other_floats;
  for (const auto* some : {&tensors, &float_tensors}) {
    for (const auto& tensor : *some) {
      sum += tensor.stored_bits();
    }
  }
  return sum;
}

std::vector<double> RunRecord::column(const std::string& name) const {
  const auto at = std::find(columns.begin(), columns.end(), name);
  std::vector<double> values;
  for (size_t row = 0; at != columns.end() && row < history.size(); ++row) {
    values.push_back(history[row][static_cast<size_t>(at - columns.begin())]);
  }
  return values;
}

std::string RunRecord::flag(const std::string& name) const {
  std::istringstream text(configuration);
  for (std::string line; std::getline(text, line);) {
    if (line.rfind(name + " = ", 0) == 0) {
      return line.substr(name.size() + 3);
    }
  }
  return "";
}

bool is_run_folder(const std::string& folder) {
  const auto has = [&](const char* name) { return fs::exists(folder + name); };
  return has(kFrozen) || has(kBest) || holds_state(folder);
}

RunRecord read_run(const std::string& folder) {
  const auto last = last_state(folder);
  const auto path = model_file(folder, last);
  const auto file = last && last->path == path ? last->file : read_checkpoint(path);
  RunRecord run;
  run.folder = folder;
  run.note = last ? last->note : "";
  run.top1 = file.top1;
  run.last_top1 = last ? last->file.top1 : file.top1;
  if (!file.training) {
    run.bytes = fs::file_size(path);
  }
  take_training(run, last ? last->file : file);
  run.kind = kind_of(file, run.columns);
  run.is_over = is_over(run, last ? last->file : file);
  const auto sizes = frozen_sizes(file);
  run.comp = sizes.first;
  run.comp_stored = sizes.second;
  take_tensors(run, file);
  if (fs::exists(folder + "/adjustments.csv")) {
    run.adjustments =
        parse_adjustment_log(read_text(folder + "/adjustments.csv"), folder + "/adjustments.csv");
  }
  return run;
}

}  // namespace bsq::cli
