#include "tools/infer/infer_options.h"

#include "bsq/data/dataset.h"

namespace bsq::cli {
namespace {

constexpr const char* kInferUsage =
    "infer: runs a model file in integers, as it would be deployed: accuracy, latency and images a second on "
    "a "
    "data\n"
    "set's test images, or the classes of pictures.\n"
    "usage: infer [options] MODEL\n"
    "       infer [options] MODEL PICTURE...\n";
constexpr double kMany = 1099511627776.0;  // 2^40

}  // namespace

CommandLine infer_command_line() { return CommandLine("infer", kInferUsage); }

void add_options(CommandLine& line, InferOptions& options) {
  auto& table = line.table();
  line.add_operands("MODEL", &options.files);
  const auto needs_images = [&] { return options.files.size() > 1 ? "no effect on pictures" : ""; };
  table.section("Data");
  table.add("dataset", &options.dataset, "data set")
      .letter('d')
      .one_of(dataset_names())
      .default_text("from the file, else cifar10")
      .needs(needs_images)
      .resume(ResumeRule::kCall);
  table.add("data", &options.folder, "folder of the data set")
      .value_name("FOLDER")
      .needs([&] {
        return options.dataset == "synthetic"
                   ? "synthetic images are built in and need no folder"
                   : std::string(options.files.size() > 1 ? "no effect on pictures" : "");
      })
      .resume(ResumeRule::kCall);
  table.add("seed", &options.seed, "seed of synthetic images")
      .range(0, kMany)
      .default_text(std::to_string(InferOptions::kSeed))
      .needs([&] {
        return options.dataset.value_or("synthetic") == "synthetic" ? ""
                                                                    : "no effect without --dataset synthetic";
      })
      .needs(needs_images)
      .resume(ResumeRule::kCall);
  table.section("Engine");
  table.add("threads", &options.threads, "threads that compute; 0: all cores")
      .range(0, 1024)
      .needs(needs_images)
      .resume(ResumeRule::kCall);
  table
      .add("compare", &options.compare,
           "evaluate with libtorch too, and list the images that get another class")
      .needs(needs_images)
      .resume(ResumeRule::kCall);
  table.add("profile", &options.profile, "list how each step is computed, and its time")
      .needs(needs_images)
      .resume(ResumeRule::kCall);
}

InferOptions parse_infer_options(int argc, const char* const* argv) {
  InferOptions options;
  auto line = infer_command_line();
  add_options(line, options);
  line.parse(argc, argv);
  if (options.files.empty()) {
    throw UsageError("no file named; expected infer MODEL or infer MODEL PICTURE...");
  }
  return options;
}

}  // namespace bsq::cli
