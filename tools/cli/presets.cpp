#include "tools/cli/presets.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

bool is_for(const std::string& name, const std::string& program) {
  const std::string end = "-finetune";
  const bool tunes =
      name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
  return program == (tunes ? "finetune" : "bsq_train");
}

std::string sentence_of(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line.rfind("# ", 0) == 0 ? line.substr(2) : "";
}

}  // namespace

std::vector<PresetEntry> presets_in(const std::string& folder, const std::string& program) {
  std::vector<PresetEntry> presets;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto& file = entry.path();
    if (file.extension() == ".cfg" && is_for(file.stem().string(), program)) {
      presets.push_back({file.stem().string(), sentence_of(file)});
    }
  }
  std::sort(presets.begin(), presets.end(),
            [](const PresetEntry& a, const PresetEntry& b) { return a.name < b.name; });
  return presets;
}

std::string preset_folder() {
  std::error_code error;
  const auto program = fs::read_symlink("/proc/self/exe", error);
  const auto above = program.parent_path().parent_path();
  const fs::path presets = "share/bsq/presets";
  const auto installed = above.parent_path() / presets;
  return (fs::is_directory(above / presets, error) ? above / presets : installed).string();
}

std::string preset_path(const std::string& named) {
  std::error_code error;
  if (named.find('/') != std::string::npos || fs::exists(named, error)) {
    return named;
  }
  for (const auto& name : {named, named + ".cfg"}) {
    const auto path = preset_folder() + "/" + name;
    if (!named.empty() && fs::is_regular_file(path, error)) {
      return path;
    }
  }
  return named;
}

}  // namespace bsq::cli
