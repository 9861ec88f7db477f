#pragma once

#include <functional>
#include <string>
#include <vector>

namespace bsq::cli {

/// Throws bsq::Error where a run into this folder would write over, or remove, one of the files that it
/// reads. An empty name is none.
void refuse_own_input(const std::string& folder, const std::vector<std::string>& inputs);

/// Throws bsq::Error where the folder holds a file of a run's name that no run of ours has made.
void refuse_foreign_files(const std::string& folder);

/// Throws bsq::Error, with what was expected instead, where the folder holds a run that has trained at least
/// a step, or one that cannot be read, or models without a run.
void refuse_earlier_run(const std::string& folder, const std::string& expected);

/// Throws bsq::Error where the folder holds a run that can go on.
void refuse_training_run(const std::string& folder, const std::string& expected);

/// What is known of a file that a flag names as output.
struct OutputFile {
  const char* option;                                              ///< "export-pth"
  std::string path;                                                ///< "": not asked for, always good
  std::vector<std::string> inputs;                                 ///< files that the program reads
  std::string folder;                                              ///< of --out; "": none
  bool overwrite = false;                                          ///< whether an earlier model may go
  const char* kind = "PyTorch or .safetensors";                    ///< what an earlier model is
  std::function<bool(const std::string& path)> is_kind = nullptr;  ///< null: of these two
};

/// Throws bsq::Error, before anything runs, where the file cannot be written, is an input or one of the run's
/// own files, is there already without `overwrite`, or is there and no model file.
void check_output_file(const OutputFile& file);

/// Removes what an earlier run left in this folder beside the checkpoint.h5 that a new one has written:
/// models, the state before, logs, event files.
void remove_earlier_run(const std::string& folder);

}  // namespace bsq::cli
