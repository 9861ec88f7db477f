#include <chrono>
#include <iostream>
#include <thread>

#include "bsq/error.h"
#include "bsq/io/atomic_file.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/training_run.h"
#include "tools/report/page.h"
#include "tools/report/plots.h"
#include "tools/report/report_options.h"

namespace bsq::cli {
namespace {

// Gives whether all runs are done.
bool write_report(const ReportOptions& options) {
  const auto points = collect_points(options.folders);
  const bool is_complete = are_complete(points);
  PlotSet plots;
  add_overview_plots(plots, points);
  for (size_t i = 0; i < points.size(); ++i) {
    add_point_plots(plots, points[i], i);
  }
  plots.render(options.output + "/plots");
  const auto page = page_of(points, plots, is_complete ? 0 : options.watch_seconds);
  const auto path = options.output + "/index.html";
  write_bytes_atomically(path, {page});
  return is_complete;
}

// Until the runs are done or a signal comes.
void watch(const ReportOptions& options) {
  watch_signals();
  while (!write_report(options)) {
    for (int second = 0; second < options.watch_seconds; ++second) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      if (stop_status() != 0) {
        return;
      }
    }
  }
}

int run(const ReportOptions& options) {
  if (options.watch_seconds > 0) {
    watch(options);
  } else {
    write_report(options);
  }
  std::cout << options.output << "/index.html" << std::endl;
  return stop_status();
}

}  // namespace
}  // namespace bsq::cli

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("report",
                                [&] { return bsq::cli::run(bsq::cli::parse_report_options(argc, argv)); });
}
