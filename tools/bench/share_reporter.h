#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>

namespace bsq::bench {

/// One line a kernel: microseconds, GB/s, and the share of what "copy/TYPE/SHAPE" of the same run moved (for
/// kernels without a type and shape: the smallest copy's).
class ShareReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;

 private:
  std::map<std::string, double> copies_;  // bytes a second by "TYPE/SHAPE"
};

}  // namespace bsq::bench
