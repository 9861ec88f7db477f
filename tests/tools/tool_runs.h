#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bsq/io/checkpoint/checkpoint.h"
#include "tests/support.h"

namespace bsq::test {

/// The folder of tiny CIFAR-10 images, made once.
std::string tiny_data();
/// The flags that make every run small: one thread, the tiny images, batches of 25. As long as `data` is "".
std::string tiny_flags(const std::string& data = "");
/// Runs one of the programs with these arguments, in a child of serve_program() where that can be; a shell
/// starts it otherwise.
CommandResult run_tool(const std::string& tool, const std::string& arguments);
/// The same with tiny_flags(); anything but exit 0 is a test failure. Gives stdout.
std::string run_tiny(const std::string& tool, const std::string& arguments);

/// Whether a part stands in a text.
bool holds(const std::string& text, const std::string& part);
/// "28 of 100" from the line that begins with `start` ("final:"); a missing line is a test failure and gives
/// "".
std::string correct_count(const std::string& out, const std::string& start);
/// What `finetune --evaluate` counts for a file, with more flags where `flags` holds some.
std::string evaluated_count(const std::string& model, const std::string& flags = "");
/// What `describe --json` says of a file.
nlohmann::json described(const std::string& file);

/// log.txt: the line of names, then the epochs, each cell as text.
std::vector<std::vector<std::string>> read_log(const std::string& file);
/// The same without the columns of the clock, which come last.
std::vector<std::vector<std::string>> read_log_without_clock(const std::string& file);
/// Names of a folder's files and their bytes.
std::map<std::string, std::string> folder_bytes(const std::string& folder);

/// Expects the same tensors, bit for bit.
void expect_same_state(const NetworkState& a, const NetworkState& b);
/// Expects every dataset and attribute of two files to be the same, byte by byte, but for the configuration
/// and the clock (checkpoint_differences).
void expect_same_checkpoint(const std::string& a, const std::string& b);

/// A folder that a run wrote to and what it printed.
struct ToolRun {
  std::string folder;
  std::string out;
  std::string file(const std::string& name) const { return folder + "/" + name; }
};

/// The whole way: full precision, eight bits, BSQ, finetuning; ResNet-8. Each run is made when a test first
/// asks for it, once for all tests of a program.
class TinyRuns {
 public:
  const ToolRun& full() const;
  const ToolRun& eight_bits() const;
  const ToolRun& bsq() const;
  const ToolRun& finetuned() const;
  /// What finetuning wrote with --export-pth.
  const std::string& exported() const;
};
const TinyRuns& tiny_runs();

}  // namespace bsq::test
