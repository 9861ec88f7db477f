#include <chrono>
#include <iostream>
#include <set>
#include <thread>

#include "bsq/base/shown_text.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/signals.h"
#include "tools/report/latencies.h"
#include "tools/report/page.h"
#include "tools/report/page_file.h"
#include "tools/report/report_options.h"

namespace bsq::cli {
namespace {

// Reading changes nothing, so a signal ends it at once; a page that is begun is finished.
void write_page(const PageFile& file, const std::string& page) {
  stop_by_request();
  file.write(page);
  stop_at_once();
}

// Each line once, however often the page is written.
void say(const Collection& all, std::set<std::string>& said) {
  for (const auto* lines : {&all.fallbacks, &all.unmeasured, &all.damage}) {
    for (const auto& line : *lines) {
      if (said.insert(line).second) {
        std::cerr << "report: " << shown_text(line) << std::endl;
      }
    }
  }
}

// False where a signal has come.
bool wait(int64_t seconds) {
  constexpr int kLooks = 10;  // a second
  for (int64_t i = 0; i < kLooks * seconds && stop_status() == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1000 / kLooks));
  }
  return stop_status() == 0;
}

// With --watch pages are written until no run goes on or a signal comes.
int run(const ReportOptions& options) {
  const PageFile file(options.output, options.folders, options.overwrite);
  file.check();
  stop_at_once();
  watch_signals();
  std::set<std::string> said;
  Collection all;
  Latencies latencies;
  do {
    all = collect(options.folders);
    if (options.latency) {
      latencies.measure(all);
    }
    say(all, said);
    write_page(file, page_of(all, all.is_running ? options.watch_seconds : 0));
  } while (options.watch_seconds > 0 && all.is_running && wait(options.watch_seconds));
  std::cout << shown_text(file.path()) << std::endl;
  return stop_status() != 0 ? stop_status() : all.damage.empty() ? 0 : 1;
}

}  // namespace
}  // namespace bsq::cli

int report_main(int argc, char** argv) {
  return bsq::cli::guarded_main("report", argc, argv,
                                [&] { return bsq::cli::run(bsq::cli::parse_report_options(argc, argv)); });
}
