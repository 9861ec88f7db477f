#pragma once

#include <string>

namespace bsq::cli {

/// Throws bsq::Error where a run into this folder would write over the model file that it starts from.
void refuse_own_input(const std::string& folder, const std::string& model);

/// Throws bsq::Error, with what was expected instead, where the folder holds a run that has trained at least
/// a step, or one that cannot be read.
void refuse_earlier_run(const std::string& folder, const std::string& expected);

/// Removes what an earlier run left in this folder beside the checkpoint.h5 that a new one has written:
/// models, the state before, logs, event files.
void remove_earlier_run(const std::string& folder);

}  // namespace bsq::cli
