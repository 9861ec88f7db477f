#include "tests/tools/tool_runs.h"

#include <wordexp.h>

#include <filesystem>
#include <optional>
#include <sstream>

#include "bsq/io/checkpoint/checkpoint_compare.h"
#include "tests/tools/program_server.h"
#include "tests/tools/tiny_cifar.h"

namespace bsq::test {
namespace {

const TemporaryFolder& workshop() {
  static const TemporaryFolder folder;
  return folder;
}

ToolRun run_into(const std::string& name, const std::string& tool, const std::string& arguments) {
  const auto folder = workshop().file(name);
  return {folder, run_tiny(tool, arguments + " --checkpoint " + folder)};
}

std::string exported_file() { return workshop().file("best.pth"); }

// The words of a shell's command line; nothing where it is more than one command's words.
std::optional<std::vector<std::string>> words_of(const std::string& arguments) {
  wordexp_t expansion{};
  if (wordexp(arguments.c_str(), &expansion, WRDE_NOCMD | WRDE_UNDEF) != 0) {
    return std::nullopt;
  }
  std::vector<std::string> words(expansion.we_wordv, expansion.we_wordv + expansion.we_wordc);
  wordfree(&expansion);
  return words;
}

bool same(const torch::Tensor& a, const torch::Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || same_bits(a, b));
}

}  // namespace

const ToolRun& TinyRuns::full() const {
  static const auto run =
      run_into("full", "bsq_train", "--float --depth 8 --epochs 2 --lr 0.05 --schedule 10");
  return run;
}

const ToolRun& TinyRuns::eight_bits() const {
  static const auto run =
      run_into("eight-bits", "convert", "--Nbits 8 --model " + full().file("model_best.h5"));
  return run;
}

const ToolRun& TinyRuns::bsq() const {
  static const auto run =
      run_into("bsq", "bsq_train",
               "--bin --L1 --step-rule published --decay 4 --Prun_Int 1 --epochs 3 --lr 0.05 "
               "--schedule 10 --wd 1e-4 --model " +
                   eight_bits().file("model_best.h5"));
  return run;
}

const ToolRun& TinyRuns::finetuned() const {
  static const auto run = run_into("finetuned", "finetune",
                                   "--bin --epochs 2 --lr 0.01 --schedule 1 --export-pth " + exported_file() +
                                       " --model " + bsq().file("checkpoint.h5"));
  return run;
}

const std::string& TinyRuns::exported() const {
  finetuned();
  static const auto file = exported_file();
  return file;
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string tiny_data() {
  static const auto folder = [] {
    const auto path = workshop().file("cifar10");
    write_tiny_cifar10(path);
    return path;
  }();
  return folder;
}

std::string tiny_flags(const std::string& data) {
  return " --threads 1 --workers 1 --train-batch 25 --test-batch 50 --data " +
         (data.empty() ? tiny_data() : data);
}

CommandResult run_tool(const std::string& tool, const std::string& arguments) {
  if (auto words = words_of(arguments)) {
    words->insert(words->begin(), program(tool));
    const TemporaryFolder folder;
    const std::string out = folder.file("out"), err = folder.file("err");
    if (const auto status = serve_program(tool, *words, out, err)) {
      return {*status, read_bytes(out), read_bytes(err)};
    }
  }
  return run_command("'" + program(tool) + "' " + arguments);
}

std::string run_tiny(const std::string& tool, const std::string& arguments) {
  const auto result = run_tool(tool, arguments + tiny_flags());
  EXPECT_EQ(result.status, 0) << tool << " " << arguments << "\n" << result.err;
  return result.out;
}

std::string correct_count(const std::string& out, const std::string& start) {
  const auto line = ("\n" + out).find("\n" + start + " top-1 ");
  const auto open = out.find('(', line);
  const auto close = out.find(')', open);
  if (line == std::string::npos || close == std::string::npos || out.find('\n', line) < close) {
    ADD_FAILURE() << "no line '" << start << " top-1 ... (N of M)' in:\n" << out;
    return "";
  }
  return out.substr(open + 1, close - open - 1);
}

std::string evaluated_count(const std::string& model, const std::string& flags) {
  return correct_count(run_tiny("finetune", "--evaluate --model " + model + " " + flags), "start:");
}

nlohmann::json described(const std::string& file) {
  const auto result = run_tool("describe", "--json " + file);
  EXPECT_EQ(result.status, 0) << result.err;
  return nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

std::vector<std::vector<std::string>> read_log(const std::string& file) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream text(read_bytes(file));
  for (std::string line; std::getline(text, line);) {
    rows.emplace_back();
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) {
      rows.back().push_back(cell);
    }
  }
  return rows;
}

std::vector<std::vector<std::string>> read_log_without_clock(const std::string& file) {
  auto rows = read_log(file);
  for (auto& row : rows) {
    EXPECT_GE(row.size(), 2U);
    row.resize(row.size() < 2 ? 0 : row.size() - 2);
  }
  return rows;
}

std::map<std::string, std::string> folder_bytes(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    files[entry.path().string()] = entry.is_regular_file() ? read_bytes(entry.path().string()) : "";
  }
  return files;
}

void expect_same_state(const NetworkState& a, const NetworkState& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const auto& [name, left] = a[i];
    const auto& right = b[i].second;
    EXPECT_EQ(name, b[i].first);
    EXPECT_EQ(left.encoding, right.encoding) << name;
    EXPECT_EQ(left.bits, right.bits) << name;
    EXPECT_TRUE(same(left.value, right.value)) << name;
    EXPECT_TRUE(same(left.positive, right.positive)) << name;
    EXPECT_TRUE(same(left.negative, right.negative)) << name;
    EXPECT_TRUE(same(left.scale, right.scale)) << name;
    EXPECT_TRUE(same(left.offset, right.offset)) << name;
  }
}

void expect_same_checkpoint(const std::string& a, const std::string& b) {
  EXPECT_EQ(checkpoint_differences(a, b), std::vector<std::string>());
}

const TinyRuns& tiny_runs() {
  static const TinyRuns runs;
  return runs;
}

}  // namespace bsq::test
