#pragma once

#include <optional>
#include <string>
#include <vector>

namespace bsq::test {

/// Runs programs of ours without a start of their own: libtorch takes half a second of CPU time to
/// initialize. A process that is forked before the first test, with libtorch initialized and nothing else
/// done, forks a child for each run, and the child calls the program's main function. The child has the
/// working folder, standard input, output and error that a program would be given, no other file of the
/// test's, and the program's exit status.
///
/// Not so: the process's executable (/proc/self/exe is the test), its allocator (the programs have jemalloc)
/// and what loading would do. Tests of these run the program itself, by run_command().
///
/// Runs `tool` with the words of its command line, its name first. Gives its status as a shell has it.
/// Nothing where it has to be started as a program: another tool, `--ranks` in the words (ranks run the
/// executable again), an environment that the tests changed.
std::optional<int> serve_program(const std::string& tool, const std::vector<std::string>& words,
                                 const std::string& out, const std::string& err);

}  // namespace bsq::test
