#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/checkpoint/checkpoint_compare.h"
#include "tests/torture/record.h"
#include "tests/torture/tiny_images.h"
#include "tests/torture/victim.h"
#include "tools/cli/command_line.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/option_error.h"

namespace bsq::torture {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kUsage =
    "torture: kills bsq_train with SIGKILL, on a tiny network, at random moments and within saves, and sees "
    "to\n"
    "it that nothing but the unfinished epoch is ever lost: checkpoint.h5, checkpoint.prev.h5 and "
    "model_best.h5\n"
    "load after every kill, no run falls back behind what it had saved, every run goes on where its file "
    "says,\n"
    "and every run that comes to its end through kills ends with the bits of one that was never disturbed.\n"
    "usage: torture [--kills N] [--folder DIR] [--seed N]\n";
// A run makes about this many temporary files: checkpoints, best models, logs.
constexpr int kSavesOfARun = 40;
constexpr double kLongestDelayInSave = 0.012;  // seconds
constexpr int kPercentInSaves = 60;

struct Options {
  int64_t kills = 1000;
  uint64_t seed = 1;
  std::string folder;
};

struct Counts {
  int64_t kills = 0;
  int64_t in_save = 0;
  int64_t resumed = 0;
  int64_t finished = 0;
  int64_t failures = 0;
};

class Torture {
 public:
  explicit Torture(const Options& options);
  int run();

 private:
  std::vector<std::string> command(const std::string& folder, bool resume) const;
  std::string file(const std::string& name) const { return options_.folder + "/" + name; }
  void make_reference();
  void cycle();
  KillPlan next_plan();
  Position check_files(const Record& record);
  void check_end();
  void fail(const std::string& what);
  void start_afresh();
  void print_counts() const;

  Options options_;
  std::mt19937_64 random_;
  std::string program_;
  double run_seconds_ = 1;
  Position saved_ = kNothing;
  Counts counts_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

Torture::Torture(const Options& options)
    : options_(options),
      random_(options.seed),
      program_((fs::read_symlink("/proc/self/exe").parent_path() / "bsq_train").string()) {
  fs::create_directories(options_.folder);
  write_tiny_images(file("images"));
}

std::vector<std::string> Torture::command(const std::string& folder, bool resume) const {
  std::vector<std::string> words = {program_, "--checkpoint", folder, "--threads", "1", "--workers", "1"};
  const std::vector<std::string> fresh = {"--dataset", "cifar10",
                                          "--data",    file("images"),
                                          "--depth",   "8",
                                          "--Nbits",   "4",
                                          "--L1",      "--decay",
                                          "4",         "--lr",
                                          "0.05",      "--epochs",
                                          "8",         "--Prun_Int",
                                          "2",         "--schedule",
                                          "5",         "--train-batch",
                                          "10",        "--test-batch",
                                          "20",        "--checkpoint-steps",
                                          "2"};
  const std::vector<std::string> resumed = {"--resume"};
  const auto& more = resume ? resumed : fresh;
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void Torture::make_reference() {
  fs::remove_all(file("reference"));
  const auto ending =
      run_to_the_end(command(file("reference"), /*resume=*/false), file("out.txt"), file("error.txt"));
  if (ending.status != 0) {
    throw Error(program_ + ": the undisturbed run ended with status " + std::to_string(ending.status) +
                "; see " + file("error.txt"));
  }
  run_seconds_ = ending.seconds;
}

KillPlan Torture::next_plan() {
  std::uniform_real_distribution<double> part(0, 1);
  if (static_cast<int>(random_() % 100) < kPercentInSaves) {
    return {1 + static_cast<int>(random_() % kSavesOfARun), kLongestDelayInSave * part(random_)};
  }
  return {0, run_seconds_ * part(random_)};
}

void Torture::fail(const std::string& what) {
  ++counts_.failures;
  std::cerr << "kill " << counts_.kills << ": " << what << std::endl;
}

void Torture::start_afresh() {
  fs::remove_all(file("run"));
  fs::create_directories(file("run"));
  saved_ = kNothing;
}

// What the folder holds after a kill.
Position Torture::check_files(const Record& record) {
  const auto path = file("run/checkpoint.h5");
  if (!fs::exists(path)) {
    if (saved_ != kNothing || record.last_epoch >= 0) {
      fail("checkpoint.h5 is gone; expected " + text_of(saved_) + " or later");
    }
    return kNothing;
  }
  const auto checkpoint = read_checkpoint(path);
  if (fs::exists(file("run/checkpoint.prev.h5"))) {
    read_checkpoint(file("run/checkpoint.prev.h5"));
  }
  const auto& state = checkpoint.training.value();
  if (state.best_epoch >= 0) {
    read_checkpoint(file("run/model_best.h5"));
  }
  const Position found = {state.next_epoch, state.next_step};
  if (found < saved_ || found.first < record.last_epoch) {
    fail("the file holds " + text_of(found) + "; expected " + text_of(saved_) +
         " or later, and all epochs before " + std::to_string(record.last_epoch));
  }
  return found;
}

// A run that came to its end through kills.
void Torture::check_end() {
  for (const std::string name : {"checkpoint.h5", "model_best.h5"}) {
    for (const auto& difference : checkpoint_differences(file("reference/" + name), file("run/" + name))) {
      fail(name + ": " + difference + " is not that of the undisturbed run");
    }
  }
  ++counts_.finished;
}

void Torture::cycle() {
  const bool resume = saved_ != kNothing;
  const auto ending = run_and_kill(command(file("run"), resume), file("run"), file("out.txt"),
                                   file("error.txt"), next_plan());
  counts_.kills += ending.was_killed ? 1 : 0;
  counts_.in_save += ending.in_save ? 1 : 0;
  const auto record = read_record(file("out.txt"));
  if (record.resumed != kNothing) {
    ++counts_.resumed;
    if (record.resumed != saved_) {
      fail("the run went on at " + text_of(record.resumed) + "; expected " + text_of(saved_));
    }
  }
  if (!ending.was_killed && ending.status != 0) {
    std::ostringstream words;
    words << std::ifstream(file("error.txt")).rdbuf();
    fail("the run ended with status " + std::to_string(ending.status) + ": " + words.str());
    start_afresh();
  } else if (!ending.was_killed) {
    check_end();
    start_afresh();
  } else {
    saved_ = check_files(record);
  }
}

void Torture::print_counts() const {
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin_;
  std::cout << "kills " << counts_.kills << ", during a save " << counts_.in_save << ", resumed "
            << counts_.resumed << ", runs that ended bit for bit like the undisturbed one "
            << counts_.finished << ", failures " << counts_.failures << ", seconds "
            << static_cast<int64_t>(seconds.count()) << std::endl;
}

int Torture::run() {
  make_reference();
  start_afresh();
  int64_t printed = 0;
  while (counts_.kills < options_.kills) {
    try {
      cycle();
    } catch (const Error& error) {
      fail(error.what());
      start_afresh();
    }
    if (counts_.kills >= printed + 100) {
      printed = counts_.kills;
      print_counts();
    }
  }
  print_counts();
  return counts_.failures == 0 ? 0 : 1;
}

std::string temporary_folder() {
  std::string name = (fs::temp_directory_path() / "bsq-torture-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw Error(name + ": cannot be made");
  }
  return name;
}

Options parse(int argc, const char* const* argv) {
  Options options;
  po::options_description all(std::string(kUsage) + "\nOptions", 110);
  all.add_options()("help,h", "print this text")(
      "kills", po::value(&options.kills)->default_value(options.kills), "processes to kill")(
      "seed", po::value(&options.seed)->default_value(options.seed), "seed of the moments")(
      "folder", po::value(&options.folder)->default_value(options.folder),
      "folder to work in; it is emptied");
  po::variables_map values;
  try {
    po::store(po::command_line_parser(argc, argv).options(all).run(), values);
    po::notify(values);
  } catch (po::error& error) {
    throw cli::UsageError(cli::message_of(error));
  }
  if (values.count("help") != 0) {
    std::ostringstream text;
    text << all;
    throw cli::HelpRequest{text.str()};
  }
  if (options.kills < 0) {
    throw cli::UsageError("--kills " + std::to_string(options.kills) + ": expected 0 or more");
  }
  return options;
}

}  // namespace
}  // namespace bsq::torture

namespace {

int run(bsq::torture::Options options) {
  const bool is_temporary = options.folder.empty();
  if (is_temporary) {
    options.folder = bsq::torture::temporary_folder();
  }
  const int status = bsq::torture::Torture(options).run();
  if (status != 0) {
    std::cerr << "what was left is in " << options.folder << std::endl;
  } else if (is_temporary) {
    std::filesystem::remove_all(options.folder);
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("torture", argc, argv, [&] { return run(bsq::torture::parse(argc, argv)); });
}
