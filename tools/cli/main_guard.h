#pragma once

#include <functional>

namespace bsq::cli {

/// Runs a tool and turns what it throws into one line on stderr that begins with
/// called_name(name), and an exit status:
/// what `tool` gives where it returns, 0 for --help and --version, 2 for wrong usage, 1 for everything else;
/// 1 instead of 0 where stdout could not be written.
/// Keeps the command line for called_words().
int guarded_main(const char* name, int argc, const char* const* argv, const std::function<int()>& tool);

}  // namespace bsq::cli
