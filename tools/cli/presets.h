#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// A preset by its name, and the sentence that its first line, a comment, says of it.
struct PresetEntry {
  std::string name, sentence;
};

/// The presets of a folder that a program reads, by name: those for finetune end with "-finetune", the others
/// are for bsq_train. None for other programs, and where there is no such folder.
std::vector<PresetEntry> presets_in(const std::string& folder, const std::string& program);

/// Where the presets are, seen from the program's folder: ../share/bsq/presets in a build,
/// ../../share/bsq/presets where programs are installed (libexec/bsq).
std::string preset_folder();

/// The file that --config names: a path, or, where there is no such file, the name of a preset with or
/// without ".cfg". What is neither is given back as it is.
std::string preset_path(const std::string& named);

}  // namespace bsq::cli
