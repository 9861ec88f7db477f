#include "tools/cli/presets.h"

#include <filesystem>

namespace bsq::cli {
namespace fs = std::filesystem;

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
