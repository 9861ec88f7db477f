// The program `bsq`: becomes the program of a mode (exec), so that exit status, signals and files are that
// program's. It does without libtorch and starts at once.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bsq/base/shown_text.h"
#include "bsq/base/spelling.h"
#include "tools/cli/descriptors.h"

namespace bsq::cli {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

struct Mode {
  const char* name;
  const char* program;
  const char* sentence;
};

constexpr Mode kModes[] = {
#include "tools/bsq/modes.inc"
};

constexpr const char* kUsage =
    "bsq: bit-level sparsity quantization and other methods, on libtorch.\n"
    "usage: bsq MODE [ARGUMENTS]\n"
    "       bsq help MODE   (the options of that mode)\n";
constexpr const char* kOptions =
    "\nOptions:\n"
    "  --help        this page\n"
    "  --version     our version, those of libtorch and HDF5, and what the CPU offers\n"
    "  --list-modes  the names of the modes, for completion\n";
constexpr size_t kColumn = 12;

// A wrong call: exit status 2.
struct WrongCall : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Words mode_names() {
  Words names;
  for (const auto& mode : kModes) {
    names.emplace_back(mode.name);
  }
  return names;
}

const Mode& mode_called(const std::string& name) {
  for (const auto& mode : kModes) {
    if (name == mode.name) {
      return mode;
    }
  }
  const auto nearest = nearest_word(name, mode_names());
  throw WrongCall(name + ": no such mode" + (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

// Installed programs have a folder of their own, which comes first: beside an installed bsq there may be
// another package's `convert`. In a build folder they are beside bsq.
fs::path program_folder() {
  const auto own = fs::read_symlink("/proc/self/exe").parent_path();
  const auto installed = own / BSQ_PROGRAMS_FROM_BIN;
  return fs::is_directory(installed) ? fs::canonical(installed) : own;
}

// Returns only by an exception. `called` is the name that the program's messages have
// (tools/cli/program_name.h).
[[noreturn]] void become(const Mode& mode, std::string called, Words arguments) {
  const auto path = (program_folder() / mode.program).string();
  std::vector<char*> words = {called.data()};
  for (auto& argument : arguments) {
    words.push_back(argument.data());
  }
  words.push_back(nullptr);
  execv(path.c_str(), words.data());
  throw std::runtime_error("cannot run " + path + ": " + std::strerror(errno));
}

[[noreturn]] void run_mode(const Mode& mode, const Words& arguments) {
  become(mode, std::string("bsq ") + mode.name, arguments);
}

int print(const std::string& text) {
  if (!(std::cout << text << std::flush)) {
    throw std::runtime_error("cannot write to stdout");
  }
  return 0;
}

std::string help_text() {
  std::string text = kUsage + std::string("\nModes:\n");
  for (const auto& mode : kModes) {
    const std::string name = mode.name;
    text += "  " + name + std::string(kColumn - name.size(), ' ') + mode.sentence + "\n";
  }
  return text + kOptions;
}

std::string mode_list() {
  std::string text;
  for (const auto& name : mode_names()) {
    text += name + "\n";
  }
  return text;
}

// `bsq help MODE ARGUMENTS`: what follows the mode may choose what the help is about (--method lsq).
int help(Words words) {
  if (words.empty()) {
    return print(help_text());
  }
  const auto& mode = mode_called(words.front());
  words.front() = "--help";
  run_mode(mode, words);
}

int run(const Words& words) {
  const std::string first = words.empty() ? "--help" : words.front();
  const Words rest(words.empty() ? words.begin() : words.begin() + 1, words.end());
  if (first == "--help") {
    return print(help_text());
  }
  if (first == "--list-modes") {
    return print(mode_list());
  }
  if (first == "--version") {
    become(mode_called("train"), "bsq", {first});
  }
  if (first == "help") {
    return help(rest);
  }
  run_mode(mode_called(first), rest);
}

int failed(const std::string& what, int status) {
  std::cerr << "bsq: " << shown_text(what) << std::endl;
  return status;
}

}  // namespace
}  // namespace bsq::cli

int main(int argc, char** argv) {
  bsq::cli::open_closed_descriptors();
  try {
    return bsq::cli::run({argv + 1, argv + argc});
  } catch (const bsq::cli::WrongCall& error) {
    return bsq::cli::failed(std::string(error.what()) + " (see bsq --help)", 2);
  } catch (const std::exception& error) {
    return bsq::cli::failed(error.what(), 1);
  }
}
