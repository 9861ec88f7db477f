#include "tools/report/run_record.h"

#include <algorithm>
#include <filesystem>

#include "bsq/base/error.h"
#include "bsq/io/text_file.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/network_state.h"
#include "bsq/quant/sign_magnitude.h"
#include "tools/cli/ini.h"
#include "tools/cli/run_reader.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kBuckets = 48;

constexpr size_t kMostLogBytes = size_t{32} << 20;
constexpr size_t kMostAdjustmentBytes = size_t{8} << 20;
// A plot has no more pixels, a page no more room.
constexpr size_t kMostRows = 2000;
constexpr size_t kMostPictures = 200;
constexpr size_t kMostAdjustments = 200;
// What is larger would take too long and too much memory for its pictures.
constexpr uintmax_t kMostModelBytes = uintmax_t{128} << 20;
constexpr int64_t kMostDigits = int64_t{1} << 26;

// Every n-th epoch and the last one.
void take_log(RunRecord& run, RunLog log) {
  const size_t rows = log.history.size();
  const size_t every = rows / kMostRows + 1;
  run.rows = static_cast<int64_t>(rows);
  run.log = std::move(log);
  std::vector<EpochRecord> kept;
  for (size_t i = 0; i < rows; ++i) {
    if (i % every == 0 || i + 1 == rows) {
      run.epochs.push_back(static_cast<int64_t>(i));
      kept.push_back(std::move(run.log.history[i]));
    }
  }
  run.log.history = std::move(kept);
}

// Every n-th adjustment and the last one.
std::vector<Adjustment> thinned(std::vector<Adjustment> all) {
  const size_t every = all.size() / kMostAdjustments + 1;
  std::vector<Adjustment> kept;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i % every == 0 || i + 1 == all.size()) {
      kept.push_back(std::move(all[i]));
    }
  }
  return kept;
}

void take_histogram(TensorPicture& picture, const torch::Tensor& weights) {
  const auto values = weights.flatten().to(torch::kFloat64);
  picture.low = values.min().item<double>();
  picture.high = values.max().item<double>();
  if (picture.low < picture.high) {
    const auto counts = torch::histc(values, kBuckets, picture.low, picture.high);
    picture.histogram.assign(counts.data_ptr<double>(), counts.data_ptr<double>() + counts.numel());
  }
}

TensorPicture picture_of(const std::string& name, const Codes& codes) {
  TensorPicture picture;
  picture.name = name;
  if (codes.format.bits > 0 && codes.integers.numel() > 0) {
    const auto percents = percent_of_ones(codes);
    picture.ones.assign(percents.data_ptr<double>(), percents.data_ptr<double>() + percents.numel());
    take_histogram(picture, value_of(codes));
  }
  return picture;
}

void take_pictures(RunRecord& run, const NetworkState& network) {
  for (const auto& [name, codes] : codes_of(network)) {
    if (run.pictures.size() == kMostPictures) {
      return;
    }
    run.pictures.push_back(picture_of(name, codes));
  }
  if (!run.pictures.empty()) {
    return;
  }
  for (const auto& [name, stored] : network) {
    const auto& value = stored.value;
    if (value.is_floating_point() && value.dim() > 1 && value.numel() > 0 &&
        run.pictures.size() < kMostPictures) {
      run.pictures.emplace_back();
      run.pictures.back().name = name;
      take_histogram(run.pictures.back(), value);
    }
  }
}

void take_adjustments(RunRecord& run) {
  const auto path = run.folder + "/adjustments.csv";
  if (is_there(path)) {
    const auto text = read_text_file(path, kMostAdjustmentBytes, "a record of adjustments");
    run.adjustments = thinned(parse_adjustment_log(text, path));
  }
}

void take_configuration(RunRecord& run) {
  if (const auto text = run_configuration(run.folder)) {
    run.configuration = parse_ini(*text, run.folder + "/config.cfg");
  }
}

bool is_large(const RunSummary& run, uintmax_t bytes) {
  int64_t digits = run.float_elements;
  for (const auto& tensor : run.tensors) {
    digits += tensor.weights * std::max<int64_t>(1, tensor.bits);
  }
  return bytes > kMostModelBytes || digits > kMostDigits;
}

// The pictures of the model to use; a run at its start has none yet.
void take_model_file(RunRecord& run) {
  if (run.summary.kept.file.empty()) {
    return;
  }
  const auto path = run.folder + "/" + run.summary.kept.file;
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (!error && is_large(run.summary, bytes)) {
    run.note = path + ": large; the page shows no pictures of its weights";
    return;
  }
  const auto model = read_checkpoint(path);
  run.bytes = model.training ? 0 : bytes;
  take_pictures(run, model.network);
}

RunRecord read_with_summary(const std::string& folder) {
  RunRecord run;
  run.folder = folder;
  run.summary = read_run_summary(folder);
  const auto log = folder + "/log.txt";
  if (is_there(log)) {
    take_log(run, parse_run_log(read_text_file(log, kMostLogBytes, "the log of a run"), log));
  }
  take_model_file(run);
  return run;
}

RunRecord read_derived(const std::string& folder) {
  auto derived = derive_run(folder);
  RunRecord run;
  run.folder = folder;
  run.summary = std::move(derived.summary);
  run.note = derived.note;
  if (derived.state) {
    take_log(run, run_log_of(*derived.state));
  }
  if (!derived.model.training) {
    run.bytes = fs::file_size(folder + "/" + run.summary.kept.file);
  }
  take_pictures(run, derived.model.network);
  return run;
}

RunRecord read_instead_of(const std::string& folder, const std::string& damage) {
  try {
    return read_derived(folder);
  } catch (const Error& error) {
    throw Error(damage == error.what() ? damage : damage + "; nor the checkpoints: " + error.what());
  }
}

// Where the model is not what the summary describes, the checkpoints tell what they can themselves.
RunRecord read_any(const std::string& folder) {
  if (!has_summary(folder)) {
    return read_derived(folder);
  }
  try {
    return read_with_summary(folder);
  } catch (const Error& error) {
    auto run = read_instead_of(folder, error.what());
    run.note = run.note.empty() ? std::string(error.what()) + "; taken from the checkpoints" : run.note;
    return run;
  }
}

}  // namespace

RunRecord read_run(const std::string& folder) {
  register_methods();  // models hold any method's weights
  auto run = read_any(folder);
  take_adjustments(run);
  take_configuration(run);
  return run;
}

}  // namespace bsq::cli
