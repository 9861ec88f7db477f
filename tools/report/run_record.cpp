#include "tools/report/run_record.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "bsq/base/error.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/network_state.h"
#include "bsq/quant/sign_magnitude.h"
#include "tools/cli/run_reader.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kBuckets = 48;

// "" where the file cannot be read.
std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
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
    run.pictures.push_back(picture_of(name, codes));
  }
  if (!run.pictures.empty()) {
    return;
  }
  for (const auto& [name, stored] : network) {
    const auto& value = stored.value;
    if (value.is_floating_point() && value.dim() > 1 && value.numel() > 0) {
      run.pictures.emplace_back();
      run.pictures.back().name = name;
      take_histogram(run.pictures.back(), value);
    }
  }
}

void take_adjustments(RunRecord& run) {
  const auto path = run.folder + "/adjustments.csv";
  if (fs::exists(path)) {
    run.adjustments = parse_adjustment_log(read_text(path), path);
  }
}

RunRecord read_with_summary(const std::string& folder) {
  RunRecord run;
  run.folder = folder;
  run.summary = read_run_summary(folder);
  const auto path = folder + "/" + run.summary.kept.file;
  const auto model = read_checkpoint(path);
  if (!model.training) {
    run.bytes = fs::file_size(path);
  }
  const auto log = folder + "/log.txt";
  if (fs::exists(log)) {
    run.log = parse_run_log(read_text(log), log);
  }
  take_pictures(run, model.network);
  return run;
}

RunRecord read_derived(const std::string& folder) {
  auto derived = derive_run(folder);
  RunRecord run;
  run.folder = folder;
  run.summary = std::move(derived.summary);
  run.note = derived.note;
  if (derived.state) {
    run.log = run_log_of(*derived.state);
  }
  if (!derived.model.training) {
    run.bytes = fs::file_size(folder + "/" + run.summary.kept.file);
  }
  take_pictures(run, derived.model.network);
  return run;
}

// Where the model is not what the summary describes, the checkpoints tell what they can themselves.
RunRecord read_any(const std::string& folder) {
  if (!has_summary(folder)) {
    return read_derived(folder);
  }
  try {
    return read_with_summary(folder);
  } catch (const Error& error) {
    auto run = read_derived(folder);
    run.note = run.note.empty() ? std::string(error.what()) + "; taken from the checkpoints" : run.note;
    return run;
  }
}

}  // namespace

RunRecord read_run(const std::string& folder) {
  register_methods();  // models hold any method's weights
  auto run = read_any(folder);
  take_adjustments(run);
  return run;
}

}  // namespace bsq::cli
