#include "bsq_train/train_options.h"

#include "tools/cli/command_line.h"
#include "tools/cli/conversion.h"

namespace bsq::cli {
namespace po = boost::program_options;
namespace {

constexpr const char* kTrainUsage =
    "bsq_train: trains bit planes with the group-Lasso penalty (BSQ), or with --float full precision.\n"
    "usage: bsq_train [--model FILE] --checkpoint FOLDER [options]\n";

void check_together(const TrainOptions& options) {
  if (options.is_float && (options.penalty > 0 || options.training.needs_bits)) {
    throw UsageError("--float trains full precision; it cannot go with --L1 or --bin");
  }
  if (options.is_float) {
    refuse_layer_flags(options.model, "cannot go with --float, which trains full precision");
  }
  if (options.training.evaluate && (options.model.model.empty() || options.training.resume)) {
    throw UsageError("--evaluate needs --model FILE and cannot go with --resume");
  }
  if (options.training.needs_bits && options.model.model.empty() && !options.training.resume) {
    throw UsageError("--bin needs --model FILE");
  }
  if (options.model.bits > options.max_bits) {
    throw UsageError("--Nbits " + std::to_string(options.model.bits) + ": expected at most --max-bits, " +
                     std::to_string(options.max_bits));
  }
  for (const auto& [pattern, bits] : options.model.layer_bits) {
    if (bits > options.max_bits) {
      throw UsageError("--layer-bits " + pattern + "=" + std::to_string(bits) +
                       ": expected at most --max-bits, " + std::to_string(options.max_bits));
    }
  }
}

}  // namespace

TrainOptions parse_train_options(int argc, const char* const* argv) {
  CommandLine line(kTrainUsage);
  line.add(ModelFlags());
  TrainingFlags training;
  training.epochs = 350;
  line.add(training);
  auto add = line.own().add_options();
  add("decay", po::value<double>()->default_value(0.01, "0.01"),
      "alpha, the strength of the penalty that --L1 asks for");
  add("L1", po::bool_switch(), "penalize bit planes by their group norms");
  add("Prun_Int", po::value<int64_t>()->default_value(50), "epochs between precision adjustments");
  add("thre", po::value<double>()->default_value(0, "0"),
      "percent of weights with a non-zero digit up to which a plane is dropped at an interval");
  add("max-bits", po::value<int64_t>()->default_value(8), "width that re-quantization may grow to");
  add("warmup", po::value<int64_t>()->default_value(0),
      "steps over which the learning rate rises to its full height, at the start and after every precision "
      "adjustment; 0: none, as published");
  add("float", po::bool_switch(), "train full precision, no bits");
  line.add(DataFlags());
  line.add(RuntimeFlags());
  line.add_output("checkpoints/bsq");
  line.parse(argc, argv);

  TrainOptions options{{line.model(), line.data(), line.runtime(), line.training(), line.output()}};
  const double decay = line.real("decay", 0, 1e9);
  options.penalty = line.values()["L1"].as<bool>() ? decay : 0.0;
  options.adjustment_interval = line.integer("Prun_Int", 1, 1000000);
  options.threshold = line.real("thre", 0, 99.999);
  options.max_bits = line.integer("max-bits", 1, 16);
  options.warmup = line.integer("warmup", 0, 1000000000);
  options.is_float = line.values()["float"].as<bool>();
  check_together(options);
  return options;
}

}  // namespace bsq::cli
