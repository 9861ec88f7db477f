#pragma once

#include <map>
#include <string>
#include <vector>

namespace bsq::bench {

/// What one variant showed: every step's seconds, and its peak memory.
struct Measurement {
  std::vector<double> seconds;
  double peak_memory = 0;

  double median() const;
};

/// The ratios of bench_step by name, in the order of printing; those whose variants were not measured are
/// left out.
std::vector<std::pair<std::string, double>> ratios(const std::map<std::string, Measurement>& measurements);

/// Key of a variant that runs with a number of threads of its own.
std::string with_threads(const std::string& variant, int threads);

}  // namespace bsq::bench
