#include "tools/bench/threads.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

namespace bsq::bench {

int set_threads_from(int argc, char** argv) {
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (int i = 1; i < argc; i += 2) {
    const bool is_threads = std::string(argv[i]) == "--threads" && i + 1 < argc;
    const int value = is_threads ? std::atoi(argv[i + 1]) : 0;
    if (value < 1) {
      std::cerr << "usage: " << argv[0]
                << " [--threads N] [--benchmark_filter=REGEX] and Google Benchmark's other "
                << "options; found " << argv[i] << std::endl;
      std::exit(2);
    }
    threads = value;
  }
  torch::set_num_threads(threads);
  return threads;
}

}  // namespace bsq::bench
