#include "tools/cli/earlier_run.h"

#include <array>
#include <filesystem>
#include <optional>

#include "bsq/base/error.h"
#include "bsq/io/run_summary.h"
#include "tools/cli/resumable.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kState = "checkpoint.h5";
constexpr std::array<const char*, 8> kProducts = {
    kState,    "checkpoint.prev.h5", "model_best.h5", "best_bin.h5", "best_float.h5",
    "log.txt", "adjustments.csv",    kSummaryFile};
constexpr const char* kEventFile = "events.out.tfevents.";

// " at epoch 3, step 0"; nothing where no step has been trained.
std::optional<std::string> progress_in(const std::string& folder) {
  try {
    const auto found = read_resumable(folder);
    if (!found.file.training) {
      return "";
    }
    const auto& state = *found.file.training;
    if (state.next_epoch + state.next_step == 0) {
      return std::nullopt;
    }
    return " at epoch " + std::to_string(state.next_epoch) + ", step " + std::to_string(state.next_step);
  } catch (const Error& error) {
    return std::string(" that cannot be read (") + error.what() + ")";
  }
}

bool is_same_file(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

}  // namespace

void refuse_own_input(const std::string& folder, const std::string& model) {
  for (const char* name : kProducts) {
    if (is_same_file(model, fs::path(folder) / name)) {
      throw Error(model +
                  ": this run would write over the model that it starts from; expected another folder as "
                  "--out");
    }
  }
}

void refuse_earlier_run(const std::string& folder, const std::string& expected) {
  if (!holds_state(folder)) {
    return;
  }
  if (const auto progress = progress_in(folder)) {
    throw Error(folder + ": holds a run" + *progress + "; expected " + expected);
  }
}

void remove_earlier_run(const std::string& folder) {
  std::error_code error;
  for (const char* name : kProducts) {
    if (std::string(name) != kState) {
      fs::remove(fs::path(folder) / name, error);
    }
  }
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().rfind(kEventFile, 0) == 0) {
      fs::remove(entry.path(), error);
    }
  }
}

}  // namespace bsq::cli
