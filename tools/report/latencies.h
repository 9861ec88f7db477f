#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "tools/report/collection.h"

namespace bsq::cli {

/// The latency of the models of a report, as describe --latency measures it. A model is measured once, until
/// its file is written again.
class Latencies {
 public:
  /// Gives the model of every point its latency. Where it cannot be measured, a line in `all.unmeasured` says
  /// why; a run that has no model yet gets neither.
  void measure(Collection& all);

 private:
  struct Measured {
    std::filesystem::file_time_type written;
    std::optional<double> milliseconds;
    std::string reason;  ///< why there is none
  };

  const Measured& of_file(const std::string& path);

  std::map<std::string, Measured> measured_;
};

}  // namespace bsq::cli
