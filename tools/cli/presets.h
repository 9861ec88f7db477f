#pragma once

#include <string>

namespace bsq::cli {

/// Where the presets are, seen from the program's folder: ../share/bsq/presets in a build,
/// ../../share/bsq/presets where programs are installed (libexec/bsq).
std::string preset_folder();

/// The file that --config names: a path, or, where there is no such file, the name of a preset with or
/// without
/// ".cfg". What is neither is given back as it is.
std::string preset_path(const std::string& named);

}  // namespace bsq::cli
