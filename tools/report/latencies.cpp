#include "tools/report/latencies.h"

#include <exception>
#include <system_error>

#include "bsq/infer/latency.h"
#include "tools/infer/file_engine.h"

namespace bsq::cli {

void Latencies::measure(Collection& all) {
  for (auto& point : all.points) {
    if (point.runs.empty() || point.runs.back().summary.kept.file.empty()) {
      continue;
    }
    auto& run = point.runs.back();
    const auto& found = of_file(run.folder + "/" + run.summary.kept.file);
    run.latency_ms = found.milliseconds;
    if (!found.milliseconds) {
      all.unmeasured.push_back("no latency: " + found.reason);
    }
  }
}

const Latencies::Measured& Latencies::of_file(const std::string& path) {
  std::error_code error;
  const auto written = std::filesystem::last_write_time(path, error);
  const auto before = measured_.find(path);
  if (before != measured_.end() && before->second.written == written) {
    return before->second;
  }
  Measured found;
  found.written = written;
  try {
    found.milliseconds = infer::measure_latency(engine_of(path)).milliseconds;
  } catch (const std::exception& refusal) {  // whatever stands in a file ends no page
    found.reason = refusal.what();
  }
  return measured_[path] = found;
}

}  // namespace bsq::cli
