#include <iostream>

#include "tools/cli/main_guard.h"
#include "tools/sweep/sweep_run.h"

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("sweep", [&] {
    const auto options = bsq::cli::parse_sweep_options(argc, argv);
    return bsq::cli::SweepRun(options, {argv, argv + argc}).run();
  });
}
