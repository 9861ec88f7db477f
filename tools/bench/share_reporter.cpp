#include "tools/bench/share_reporter.h"

#include <cstdio>

namespace bsq::bench {
namespace {

constexpr const char* kSmallCopy = "fp32/64x8x8";

}  // namespace

bool ShareReporter::ReportContext(const Context&) {
  std::printf("%-44s %12s %10s %14s\n", "kernel", "us", "GB/s", "share of copy");
  return true;
}

void ShareReporter::ReportRuns(const std::vector<Run>& runs) {
  for (const auto& run : runs) {
    const auto found = run.counters.find("bytes_per_second");
    if (found == run.counters.end()) {
      continue;
    }
    const double rate = found->second;
    const std::string name = run.run_name.function_name;
    const auto suffix = name.substr(name.find('/') + 1);
    if (name.rfind("copy/", 0) == 0) {
      copies_[suffix] = rate;
    }
    const auto copy = copies_.find(copies_.count(suffix) ? suffix : kSmallCopy);
    std::printf("%-44s %12.1f %10.2f ", name.c_str(),
                run.real_accumulated_time / static_cast<double>(run.iterations) * 1e6, rate / 1e9);
    if (copy == copies_.end()) {
      std::printf("%14s\n", "-");
    } else {
      std::printf("%14.2f\n", rate / copy->second);
    }
    std::fflush(stdout);
  }
}

}  // namespace bsq::bench
