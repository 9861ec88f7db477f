#include "tools/cli/earlier_run.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>

#include "bsq/base/error.h"
#include "bsq/io/pytorch/pytorch_reader.h"
#include "bsq/io/run_summary.h"
#include "bsq/io/safetensors.h"
#include "tools/cli/resumable.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kState = "checkpoint.h5";
constexpr std::array<const char*, 6> kModels = {kState,     "checkpoint.prev.h5", "model_best.h5",
                                                "final.h5", "best_bin.h5",        "best_float.h5"};
// Texts, and how each of a run's begins; files of older versions among them.
struct Text {
  const char* name;
  std::array<const char*, 2> starts;
};
constexpr std::array<Text, 6> kTexts = {{{"log.txt", {"Epoch\t", "Learning Rate\t"}},
                                         {"results.csv", {"epoch,", "epoch,"}},
                                         {"adjustments.csv", {"epoch,", "Epoch,"}},
                                         {"layers.csv", {"epoch,", "epoch,"}},
                                         {kSummaryFile, {"{", "{"}},
                                         {"config.cfg", {"", ""}}}};
constexpr const char* kLock = "run.lock";
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

std::vector<std::string> product_names() {
  std::vector<std::string> names(kModels.begin(), kModels.end());
  for (const auto& text : kTexts) {
    names.emplace_back(text.name);
  }
  return names;
}

bool begins_as(const fs::path& file, const Text& text) {
  std::string start(32, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(in.gcount()));
  return start.empty() || std::any_of(text.starts.begin(), text.starts.end(),
                                      [&](const char* known) { return start.rfind(known, 0) == 0; });
}

// The networks of adjustments that runs have kept in a folder.
std::vector<fs::path> snapshots_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder / "snapshots", error)) {
    const auto name = entry.path().filename().string();
    if (name.rfind("epoch-", 0) == 0 && entry.path().extension() == ".h5") {
      files.push_back(entry.path());
    }
  }
  return files;
}

// The file's place, with links followed as far as it exists.
fs::path place_of(const fs::path& path) {
  std::error_code error;
  const auto place = fs::weakly_canonical(fs::absolute(path), error);
  return error ? path : place;
}

}  // namespace

void refuse_own_input(const std::string& folder, const std::vector<std::string>& inputs) {
  auto own = snapshots_in(folder);
  for (const auto& name : product_names()) {
    own.push_back(fs::path(folder) / name);
  }
  for (const auto& input : inputs) {
    const auto is_input = [&](const fs::path& file) { return is_same_file(input, file); };
    if (!input.empty() && std::any_of(own.begin(), own.end(), is_input)) {
      throw Error(input +
                  ": this run reads the model and would write over it; expected another folder as --out");
    }
  }
}

// A run's files may be damaged; what is none of them has another beginning.
void refuse_foreign_files(const std::string& path) {
  const fs::path folder(path);
  const auto refuse = [&](const fs::path& file, const char* what) {
    throw Error(file.string() + ": " + what + ", which no run has made; expected another folder as --out");
  };
  for (const char* name : kModels) {
    if (fs::exists(folder / name) && !fs::is_regular_file(folder / name)) {
      refuse(folder / name, "is no file");
    }
    if (fs::exists(folder / name) && (is_pytorch_file((folder / name).string()))) {
      refuse(folder / name, "is a PyTorch file");
    }
  }
  for (const auto& text : kTexts) {
    if (fs::is_regular_file(folder / text.name) && !begins_as(folder / text.name, text)) {
      refuse(folder / text.name, "is a text");
    }
  }
}

void refuse_training_run(const std::string& folder, const std::string& expected) {
  if (!holds_state(folder)) {
    return;
  }
  if (const auto progress = progress_in(folder)) {
    throw Error(folder + ": holds a run" + *progress + "; expected " + expected);
  }
}

void refuse_earlier_run(const std::string& folder, const std::string& expected) {
  refuse_training_run(folder, expected);
  for (const char* name : kModels) {
    if (!holds_state(folder) && fs::exists(fs::path(folder) / name)) {
      throw Error(folder + ": holds " + name + "; expected " + expected);
    }
  }
}

void check_output_file(const OutputFile& file) {
  if (file.path.empty()) {
    return;
  }
  const auto fail = [&](const std::string& what) {
    throw Error(file.path + ": --" + file.option + " " + what);
  };
  const fs::path path(file.path);
  const auto parent = path.parent_path();
  if (!parent.empty() && !fs::is_directory(parent)) {
    fail("cannot be written; expected " + parent.string() + " to be a folder");
  }
  for (const auto& input : file.inputs) {
    if (!input.empty() && (is_same_file(input, path) || place_of(input) == place_of(path))) {
      fail("would write over " + input + ", which is read");
    }
  }
  auto own = product_names();
  own.emplace_back(kLock);
  if (!file.folder.empty() && place_of(path).parent_path() == place_of(file.folder) &&
      std::find(own.begin(), own.end(), path.filename().string()) != own.end()) {
    fail("is a file that the run itself writes; expected another name");
  }
  std::error_code error;
  const auto status = fs::symlink_status(path, error);
  if (error || !fs::exists(status)) {
    return;
  }
  if (!fs::is_regular_file(path)) {
    fail("names something that is no file; expected a file's name");
  }
  const bool is_kind =
      file.is_kind ? file.is_kind(file.path) : is_pytorch_file(file.path) || is_safetensors_file(file.path);
  if (!is_kind) {
    fail(std::string("would write over a file that is no ") + file.kind + " file; expected another name");
  }
  if (!file.overwrite) {
    fail("is there already; expected another name, or --overwrite");
  }
}

void remove_earlier_run(const std::string& folder) {
  std::error_code error;
  for (const auto& name : product_names()) {
    if (name != kState && name != "config.cfg") {
      fs::remove(fs::path(folder) / name, error);
    }
  }
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().rfind(kEventFile, 0) == 0) {
      fs::remove(entry.path(), error);
    }
  }
  for (const auto& file : snapshots_in(folder)) {
    fs::remove(file, error);
  }
}

}  // namespace bsq::cli
