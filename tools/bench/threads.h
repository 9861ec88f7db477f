#pragma once

namespace bsq::bench {

/// Takes `--threads N` (default: all cores) from what Google Benchmark has left of the command line, and sets
/// libtorch's threads. Ends the program with status 2 for anything else.
int set_threads_from(int argc, char** argv);

}  // namespace bsq::bench
