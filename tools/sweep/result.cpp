#include "tools/sweep/result.h"

#include <algorithm>
#include <tuple>

#include "bsq/quant/accounting.h"
#include "tools/sweep/grid.h"

namespace bsq::cli {
namespace {

constexpr int kDigits = 7;

double column(const TrainingState& state, const std::string& name, size_t row) {
  const auto at = std::find(state.columns.begin(), state.columns.end(), name);
  return at == state.columns.end() || row >= state.history.size()
             ? std::nan("")
             : state.history[row][static_cast<size_t>(at - state.columns.begin())];
}

double training_seconds(const TrainingState& state) {
  double sum = 0;
  for (size_t row = 0; row < state.history.size(); ++row) {
    sum += column(state, "Seconds", row);
  }
  return sum;
}

double kept_loss(const TrainingState& state, bool is_best) {
  const auto rows = static_cast<int64_t>(state.history.size());
  const auto row = is_best ? rows - state.next_epoch + state.best_epoch : rows - 1;
  return row < 0 ? std::nan("") : column(state, "Valid Loss", static_cast<size_t>(row));
}

void take_sizes(PointResult& result, const Checkpoint& file) {
  result.bits = frozen_bits(file);
  std::tie(result.comp, result.comp_stored) = frozen_sizes(file);
}

// The model that the sweep goes on with: the last one of bit planes, otherwise the best epoch's.
std::string kept_file(const Stage& stage, bool is_finetuned) {
  if (is_finetuned) {
    return "/best_bin.h5";
  }
  return stage.settings.value("method") == "float" ? "/model_best.h5" : "/checkpoint.h5";
}

void take_stage(PointResult& result, const Stage& stage, bool is_finetuned) {
  const auto last = read_checkpoint(stage.folder + "/checkpoint.h5");
  const auto file = kept_file(stage, is_finetuned);
  const bool is_best = file != "/checkpoint.h5";
  if (last.training) {
    result.seconds += training_seconds(*last.training);
    result.loss = kept_loss(*last.training, is_best);
  }
  const auto kept = is_best ? read_checkpoint(stage.folder + file) : last;
  (is_finetuned ? result.top1 : result.trained_top1) = kept.top1;
  take_sizes(result, kept);
}

std::string cell(double value) { return std::isfinite(value) ? number_text(value, kDigits) : ""; }

std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  return quoted + "\"";
}

using Names = std::vector<std::string>;

// Adds the names of what a point has that are new.
template <typename Pairs>
void add_names(Names& names, const Pairs& pairs) {
  for (const auto& [name, value] : pairs) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  }
}

// The cell for every name, "" where the point has none.
template <typename Pairs, typename Text>
std::string cells(const Names& names, const Pairs& pairs, const Text& text) {
  std::string line;
  for (const auto& name : names) {
    const auto at =
        std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.first == name; });
    line += "," + (at == pairs.end() ? std::string() : text(at->second));
  }
  return line;
}

std::string csv_line(const Entry& entry, const Names& flags, const Names& tensors) {
  const auto& [job, result] = entry;
  auto line = cell(job.name) + cells(flags, job.values, [](const std::string& value) { return cell(value); });
  line += "," + state_of(job);
  for (const double value :
       {result.comp, result.comp_stored, result.trained_top1, result.top1, result.loss}) {
    line += "," + cell(value);
  }
  return line + cells(tensors, result.bits, [](int64_t bits) { return std::to_string(bits); }) + "\n";
}

}  // namespace

std::vector<std::pair<std::string, int64_t>> frozen_bits(const Checkpoint& file) {
  std::vector<std::pair<std::string, int64_t>> bits;
  for (const auto& [name, stored] : file.network) {
    if (stored.encoding != Encoding::kFloat) {
      const bool is_zero = stored.encoding == Encoding::kBinary && stored.value.eq(0).all().item<bool>();
      bits.emplace_back(name, is_zero ? 0 : stored.bits);
    }
  }
  return bits;
}

std::pair<double, double> frozen_sizes(const Checkpoint& file) {
  const auto bits = frozen_bits(file);
  std::vector<BitCount> counts;
  int64_t float_elements = 0;
  for (const auto& [name, stored] : file.network) {
    if (stored.encoding == Encoding::kFloat) {
      float_elements += stored.value.is_floating_point() ? stored.value.numel() : 0;
      continue;
    }
    const auto elements =
        stored.encoding == Encoding::kPlanes ? stored.positive[0].numel() : stored.value.numel();
    counts.push_back({elements, bits[counts.size()].second});
  }
  const auto sizes = count_sizes(counts, float_elements);
  return counts.empty() ? std::pair(1.0, 1.0) : std::pair(sizes.comp(), sizes.comp_stored());
}

PointResult read_result(const Job& job) {
  PointResult result;
  for (size_t i = 0; i < job.finished; ++i) {
    take_stage(result, job.stages[i], /*is_finetuned=*/i > 0);
  }
  return result;
}

std::string csv_of(const std::vector<Entry>& entries) {
  Names flags, tensors;
  for (const auto& entry : entries) {
    add_names(flags, entry.job.values);
    add_names(tensors, entry.result.bits);
  }
  std::string text = "point";
  for (const auto& flag : flags) {
    text += "," + cell(flag);
  }
  text += ",status,comp,comp_stored,top1_bsq_train,top1_finetune,loss";
  for (const auto& name : tensors) {
    text += ",bits " + name;
  }
  text += "\n";
  for (const auto& entry : entries) {
    text += csv_line(entry, flags, tensors);
  }
  return text;
}

nlohmann::json number_json(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

nlohmann::json json_of(const std::vector<Entry>& entries) {
  auto points = nlohmann::json::array();
  for (const auto& [job, result] : entries) {
    nlohmann::json point = {{"name", job.name},
                            {"folder", job.name},
                            {"status", state_of(job)},
                            {"comp", number_json(result.comp)},
                            {"comp_stored", number_json(result.comp_stored)},
                            {"top1_bsq_train", number_json(result.trained_top1)},
                            {"top1_finetune", number_json(result.top1)},
                            {"loss", number_json(result.loss)},
                            {"seconds", result.seconds},
                            {"error", job.error}};
    for (const auto& [flag, value] : job.values) {
      point["flags"][flag] = value;
    }
    for (const auto& [name, bits] : result.bits) {
      point["bits"][name] = bits;
    }
    for (const auto& stage : job.stages) {
      point["commands"].push_back(shell_text(stage.command()));
    }
    points.push_back(point);
  }
  return {{"points", points}};
}

}  // namespace bsq::cli
