#include <iostream>

#include "tools/cli/main_guard.h"
#include "tools/sweep/sweep_run.h"

int sweep_main(int argc, char** argv) {
  return bsq::cli::guarded_main("sweep", argc, argv, [&] {
    const auto options = bsq::cli::parse_sweep_options(argc, argv);
    return bsq::cli::SweepRun(options, {argv, argv + argc}).run();
  });
}
