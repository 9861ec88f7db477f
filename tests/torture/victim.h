#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace bsq::torture {

/// When a process is to be killed: so many seconds after its start or, with save > 0, after it has begun its
/// save-th temporary file.
struct KillPlan {
  int save = 0;
  double delay = 0;
};

/// How a process ended.
struct Ending {
  bool was_killed = false;  ///< by us, while it still ran
  int status = 0;           ///< its exit status where it ended by itself
  bool in_save = false;     ///< killed while a temporary file of its own was there
  double seconds = 0;
};

/// Runs a program, its output into files, and kills it with SIGKILL as planned. `folder` is where it writes;
/// it has to exist. Throws bsq::Error where the program cannot be started.
Ending run_and_kill(const std::vector<std::string>& command, const std::string& folder,
                    const std::string& out_file, const std::string& error_file, const KillPlan& plan);

/// The same without killing it.
Ending run_to_the_end(const std::vector<std::string>& command, const std::string& out_file,
                      const std::string& error_file);

}  // namespace bsq::torture
