#include "tools/cli/summary_writer.h"

#include <H5public.h>
#include <torch/utils.h>
#include <torch/version.h>
#include <unistd.h>

#include <fstream>

#include "bsq/base/error.h"
#include "bsq/base/ranks.h"
#include "tools/cli/model_cost.h"
#include "tools/cli/program_name.h"

namespace bsq::cli {
namespace {

constexpr const char* kLast = "checkpoint.h5";
constexpr const char* kBest = "model_best.h5";
constexpr const char* kTest = "test";

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::map<std::string, std::string> versions() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return {{"bsq", BSQ_VERSION},
          {"libtorch", TORCH_VERSION},
          {"HDF5", std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release)}};
}

ModelResult result_of(const std::string& file, int64_t epoch, const Evaluation& evaluation) {
  return {file, epoch, evaluation.top1(), evaluation.loss, kTest};
}

}  // namespace

RunSummary summary_at_start(const std::string& program, const std::string& method, const std::string& model,
                            const RuntimeFlags& runtime) {
  RunSummary summary;
  summary.program = program;
  summary.method = method;
  summary.started_from = model;
  summary.versions = versions();
  summary.host = host_name();
  summary.threads = torch::get_num_threads();
  summary.ranks = current_ranks() == nullptr ? 1 : current_ranks()->count();
  summary.precision = runtime.precision;
  summary.command = called_words();
  return summary;
}

void SummaryWriter::take_start(const Evaluation& evaluation) {
  summary_.start = result_of("", /*epoch=*/-1, evaluation);
}

void SummaryWriter::take_up() {
  try {
    const auto earlier = read_summary(folder_.folder());
    summary_.start = earlier.start;
    summary_.started_from = earlier.started_from;
  } catch (const Error&) {
    // A run of an older version, or a damaged file: nobody knows its start any more.
  }
}

void SummaryWriter::take_state(const TrainingState& state, const Checkpoint& current,
                               const Checkpoint* best) {
  take_training(summary_, state);
  summary_.best.file = best == nullptr ? "" : kBest;
  summary_.best.split = best == nullptr ? "" : split_;
  const bool is_best = keeps_best_ && best != nullptr;
  take_model_and_cost(summary_, is_best ? *best : current);
  summary_.kept =
      is_best ? summary_.best
              : ModelResult{kLast, current.epoch, current.top1, summary_.metric("Valid Loss"), split_};
}

void SummaryWriter::take_final(const Checkpoint& model, const Evaluation& evaluation) {
  summary_.final = result_of(kLast, model.epoch, evaluation);
  if (summary_.kept.file == kLast) {
    keep(kLast, model, evaluation);
  }
}

void SummaryWriter::keep(const std::string& file, const Checkpoint& model, const Evaluation& evaluation) {
  take_model_and_cost(summary_, model);
  summary_.kept = result_of(file, model.epoch, evaluation);
  summary_.kept.split = keeps_best_ ? summary_.best.split : "";
}

void SummaryWriter::write(RunStatus status) {
  summary_.status = status;
  folder_.write_text(kSummaryFile, summary_text(summary_));
}

}  // namespace bsq::cli
