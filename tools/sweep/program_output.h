#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// What a program left that has ended.
struct ProgramOutput {
  int status = 0;  ///< 128 + the signal where one ended it
  std::string out, err;
};

/// Runs a program, found as a shell finds it, to its end, without input. Throws bsq::Error where it cannot be
/// started.
ProgramOutput output_of_program(const std::vector<std::string>& command);

}  // namespace bsq::cli
