#include "tools/sweep/result.h"

#include <algorithm>
#include <filesystem>

#include "bsq/io/seal.h"
#include "tools/cli/run_reader.h"
#include "tools/cli/shell_text.h"
#include "tools/sweep/grid.h"

namespace bsq::cli {
namespace {

constexpr int kDigits = 7;

// A damaged checkpoint is as good as none, whatever the summary says.
void check_files(const std::string& folder, const RunSummary& run) {
  for (const auto& file : {std::string("checkpoint.h5"), run.kept.file}) {
    check_seal(folder + "/" + file);
  }
}

// Accuracy of the model that the next stage starts from, or of the one to use.
double top1_of(const RunSummary& run, const Stage* next) {
  const auto model = next == nullptr ? "" : next->settings.value("model").value_or("");
  const auto file = std::filesystem::path(model).filename().string();
  return file.empty() || file == run.kept.file ? run.kept.top1 : run.final.top1;
}

void take_stage(PointResult& result, const Job& job, size_t index) {
  const auto& stage = job.stages[index];
  const auto run = summary_of_run(stage.folder);
  check_files(stage.folder, run);
  const auto* next = index + 1 < job.stages.size() ? &job.stages[index + 1] : nullptr;
  const bool is_finetuned = index > 0 || (next == nullptr && stage.program == "finetune");
  (is_finetuned ? result.top1 : result.trained_top1) = top1_of(run, next);
  result.loss = run.kept.loss;
  result.seconds += run.seconds;
  const auto sizes = run.sizes();
  result.comp = sizes.comp();
  result.comp_stored = sizes.comp_stored();
  result.bits.clear();
  for (const auto& tensor : run.tensors) {
    result.bits.emplace_back(tensor.name, tensor.bits);
  }
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

PointResult read_result(const Job& job) {
  PointResult result;
  for (size_t i = 0; i < job.finished; ++i) {
    take_stage(result, job, i);
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
      point["runs"].push_back(job.name + "/" + std::filesystem::path(stage.folder).filename().string());
      point["commands"].push_back(shell_text(stage.command()));
    }
    points.push_back(point);
  }
  return {{"points", points}};
}

}  // namespace bsq::cli
