#include "bsq/io/checkpoint/checkpoint_training.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "bsq/io/checkpoint/checkpoint_json.h"
#include "bsq/io/hdf5/hdf5_attribute.h"
#include "bsq/io/hdf5/hdf5_file.h"

namespace bsq {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;
constexpr IntegerField kNextEpoch{"next_epoch", 0, kMost};
constexpr IntegerField kNextStep{"next_step", 0, kMost};
constexpr IntegerField kBestEpoch{"best_epoch", -1, kMost};
constexpr IntegerField kRanks{"ranks", 1, kMost};
constexpr int64_t kMaxRows = 1'000'000;

using Rows = std::vector<std::vector<double>>;

/// A table: float64 values (rows, columns), and its columns' names as a JSON array in the attribute
/// "columns".
void write_table(const Hdf5Handle& group, const std::string& name, const std::vector<std::string>& columns,
                 const Rows& rows) {
  const int64_t width = static_cast<int64_t>(columns.size());
  const torch::Tensor values = torch::empty({static_cast<int64_t>(rows.size()), width}, torch::kFloat64);
  double* out = values.data_ptr<double>();
  for (const std::vector<double>& row : rows) {
    if (row.size() != columns.size())
      throw std::invalid_argument(name + ": a row without one value a column");
    out = std::copy(row.begin(), row.end(), out);
  }
  Hdf5Handle dataset = write_dataset(group, name, values);
  write_text(dataset, "columns", names_text(columns));
  dataset.close();
}

Rows read_table(const Hdf5Handle& group, const std::string& name, std::vector<std::string>& columns,
                ReadBudget& budget) {
  const Hdf5Handle dataset = open_dataset(group, name);
  const StoredShape shape = inspect_dataset(dataset);
  budget.take_stored(dataset, shape.bytes);
  columns = parse_names(read_text(dataset, "columns"), dataset.where() + ": the attribute columns");
  const int64_t width = static_cast<int64_t>(columns.size());
  if (shape.type != torch::kFloat64 || shape.sizes.size() != 2 || shape.sizes[1] != width ||
      shape.sizes[0] > kMaxRows) {
    dataset.fail("is not float64 of at most 1000000 rows and " + std::to_string(width) + " columns");
  }
  const torch::Tensor values = read_dataset(dataset, shape);
  // A network without bits has an infinite comp.
  if (values.isnan().any().item<bool>()) dataset.fail("holds nan, expected numbers");
  const double* in = values.data_ptr<double>();
  Rows rows;
  for (int64_t i = 0; i < shape.sizes[0]; ++i) rows.emplace_back(in + i * width, in + (i + 1) * width);
  return rows;
}

double read_finite(const Hdf5Handle& group, const char* name) {
  const double number = read_number(group, name);
  if (!std::isfinite(number)) group.fail(std::string("the attribute ") + name + " is not finite");
  return number;
}

void write_sums(const Hdf5Handle& group, const std::map<std::string, double>& sums) {
  std::vector<std::string> columns;
  Rows rows(1);
  for (const auto& [name, sum] : sums) {
    columns.push_back(name);
    rows[0].push_back(sum);
  }
  write_table(group, "sums", columns, rows);
}

std::map<std::string, double> read_sums(const Hdf5Handle& group, ReadBudget& budget) {
  std::vector<std::string> columns;
  const Rows rows = read_table(group, "sums", columns, budget);
  if (rows.size() != 1) group.fail("sums has " + std::to_string(rows.size()) + " rows, expected 1");
  std::map<std::string, double> sums;
  for (size_t i = 0; i < columns.size(); ++i) sums[columns[i]] = rows[0][i];
  if (sums.size() != columns.size()) group.fail("sums has a column twice");
  return sums;
}

}  // namespace

void write_training(const Hdf5Handle& file, const TrainingState& state) {
  Hdf5Handle group = create_group(file, "training", {});
  write_integer(group, kNextEpoch, state.next_epoch);
  write_integer(group, kNextStep, state.next_step);
  write_number(group, "learning_rate", state.learning_rate);
  write_number(group, "rate_factor", state.rate_factor);
  write_number(group, "best_top1", state.best_top1);
  write_integer(group, kBestEpoch, state.best_epoch);
  write_integer(group, kRanks, state.ranks);
  write_table(group, "history", state.columns, state.history);
  write_sums(group, state.sums);
  write_tensors(group, "optimizer", {state.optimizer.begin(), state.optimizer.end()});
  write_tensors(group, "generators", {state.generators.begin(), state.generators.end()});
  if (!state.method.empty()) write_tensors(group, "method", {state.method.begin(), state.method.end()});
  if (!state.network.empty()) write_network(group, "network", state.network);
  group.close();
}

TrainingState read_training(const Hdf5Handle& file, ReadBudget& budget, int64_t version) {
  const Hdf5Handle group = open_group(file, "training");
  TrainingState state;
  state.next_epoch = read_integer(group, kNextEpoch);
  state.next_step = read_integer(group, kNextStep);
  state.learning_rate = read_finite(group, "learning_rate");
  // Files of version 1 that are older than --on-nan lack it.
  if (has_attribute(group, "rate_factor")) state.rate_factor = read_finite(group, "rate_factor");
  state.best_top1 = read_finite(group, "best_top1");
  state.best_epoch = read_integer(group, kBestEpoch);
  // Files from before several ranks could train lack it.
  if (has_attribute(group, kRanks.name)) state.ranks = read_integer(group, kRanks);
  state.history = read_table(group, "history", state.columns, budget);
  state.sums = read_sums(group, budget);
  for (auto& [name, tensor] : read_tensors(group, "optimizer", budget)) state.optimizer.emplace(name, tensor);
  if (has_member(group, "generators")) {
    for (auto& [name, tensor] : read_tensors(group, "generators", budget))
      state.generators.emplace(name, tensor);
  }
  if (has_member(group, "method")) {
    for (auto& [name, tensor] : read_tensors(group, "method", budget)) state.method.emplace(name, tensor);
  }
  if (has_member(group, "network")) state.network = read_network(group, "network", budget, version);
  return state;
}

}  // namespace bsq
