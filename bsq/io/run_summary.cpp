#include "bsq/io/run_summary.h"

#include <algorithm>

#include "bsq/io/text_file.h"
#include "bsq/nn/network_sizes.h"

namespace bsq {
namespace {

constexpr size_t kMostBytes = size_t{16} << 20;

double column_value(const TrainingState& state, const std::string& name, int64_t row) {
  const auto at = std::find(state.columns.begin(), state.columns.end(), name);
  const bool has_row = row >= 0 && row < static_cast<int64_t>(state.history.size());
  return at == state.columns.end() || !has_row
             ? std::nan("")
             : state.history[static_cast<size_t>(row)][static_cast<size_t>(at - state.columns.begin())];
}

}  // namespace

int64_t FloatTensor::elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) {
    count *= size;
  }
  return count;
}

double RunSummary::metric(const std::string& name) const {
  const auto at =
      std::find_if(metrics.begin(), metrics.end(), [&](const auto& metric) { return metric.first == name; });
  return at == metrics.end() ? std::nan("") : at->second;
}

bool has_summary(const std::string& folder) { return is_there(folder + "/" + kSummaryFile); }

RunSummary read_summary(const std::string& folder) {
  const auto path = folder + "/" + kSummaryFile;
  return parse_summary(read_text_file(path, kMostBytes, "the summary of a run"), path);
}

void take_model(RunSummary& summary, const Checkpoint& model) {
  summary.architecture = model.description.architecture;
  summary.options = model.description.options;
  summary.activation_bits = model.description.activation_bits;
  summary.dataset = model.dataset;
  summary.tensors = tensor_bits(model.network);
  summary.float_elements = sizes_of(model.network).float_elements;
  summary.floats.clear();
  for (const auto& [name, stored] : model.network) {
    if (stored.encoding == Encoding::kFloat && stored.value.is_floating_point() && stored.value.dim() > 1) {
      summary.floats.push_back({name, stored.value.sizes().vec()});
    }
  }
}

void take_training(RunSummary& summary, const TrainingState& state) {
  const auto rows = static_cast<int64_t>(state.history.size());
  summary.epochs_done = state.next_epoch;
  summary.seconds = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const double seconds = column_value(state, "Seconds", row);
    summary.seconds += std::isfinite(seconds) ? seconds : 0;
  }
  summary.metrics.clear();
  for (const auto& name : rows > 0 ? state.columns : std::vector<std::string>()) {
    summary.metrics.emplace_back(name, column_value(state, name, rows - 1));
  }
  summary.best = {};
  if (state.best_epoch >= 0) {
    summary.best.epoch = state.best_epoch;
    summary.best.top1 = state.best_top1;
    summary.best.loss = column_value(state, "Valid Loss", rows - state.next_epoch + state.best_epoch);
  }
}

}  // namespace bsq
