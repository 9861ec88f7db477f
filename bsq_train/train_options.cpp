#include "bsq_train/train_options.h"

#include "bsq/methods/methods.h"
#include "tools/cli/architecture_options.h"
#include "tools/cli/conversion.h"

namespace bsq::cli {
namespace {

constexpr const char* kTrainUsage =
    "bsq_train: trains a network with a method of quantization (BSQ: bit planes with the group-Lasso "
    "penalty)\n"
    "or, with --float, in full precision.\n"
    "usage: bsq_train [--model FILE] --out FOLDER [options]\n"
    "       bsq_train --method NAME --help   (the options of that method)\n";

constexpr const char* kMethodSection = "Method ";

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const auto& entry : methods()) {
    names.push_back(entry.name);
  }
  return names;
}

// What only training heeds is refused beside --evaluate.
void add_method_options(OptionTable& table, const std::string& method, TrainOptions& options) {
  options.methods.push_back(make_method(method));
  const size_t first = table.options().size();
  table.section(kMethodSection + method);
  options.trained_by().add_options(table);
  if (auto* bits = table.find("bits")) {
    bits->default_text(std::to_string(options.trained_by().default_bits()));
  }
  for (size_t i = first; i < table.options().size(); ++i) {
    if (auto& option = table.options()[i]; option.concerns_training_only()) {
      option.needs(needs_training(options.training));
    }
  }
}

// A method with phases of its own takes no length and no schedule from the user.
void refuse_where_method_decides(OptionTable& table, const TrainOptions& options) {
  const auto reason = [&options] {
    return "no effect with --method " + options.trained_by().name() + ", which has a schedule of its own";
  };
  for (const char* name : {"epochs", "start-epoch"}) {
    table.find(name)->needs([&options, reason] { return options.trained_by().epochs() > 0 ? reason() : ""; });
  }
  for (const char* name : {"lr-schedule", "schedule", "gamma", "phases", "warmup"}) {
    table.find(name)->needs(
        [&options, reason] { return options.trained_by().rate_factor(0) ? reason() : ""; });
  }
}

void take_method_options(const OptionTable& table, TrainOptions& options) {
  for (const auto& option : table.options()) {
    if (option.section() == kMethodSection + options.method && option.is_given()) {
      options.method_options[option.name()] = option.text();
    }
  }
}

// The epochs of such a method.
void take_epochs(TrainOptions& options) {
  if (const int64_t own = options.trained_by().epochs(); own > 0) {
    options.training.epochs = own;
  }
}

}  // namespace

TrainOptions::TrainOptions() {
  training.epochs = 350;
  model.default_bits = 8;
  output.folder = "checkpoints/bsq";
}

CommandLine train_command_line() { return CommandLine("bsq_train", kTrainUsage); }

void add_options(CommandLine& line, TrainOptions& options) {
  auto& table = line.table();
  line.add_config();
  table.section("Method");
  table.add("method", &options.method, "training method")
      .one_of(method_names())
      .word("float", "float")
      .resume(ResumeRule::kFixed);
  add_options(table, static_cast<SessionFlags&>(options));
  table.find("overwrite")->needs(needs_training(options.training));
  table.find("bits")->default_text("the method's own");
  table.section("Training");
  table
      .add("warmup", &options.warmup,
           "steps over which the learning rate rises to its full height, at the start and after every "
           "precision adjustment; 0: none, as published")
      .range(0, 1e9)
      .needs(needs_training(options.training))
      .resume(ResumeRule::kOverride);
  table
      .add("snapshots", &options.training.snapshots,
           "keep the network of every precision adjustment, in bits, as snapshots/epoch-N.h5: each can be "
           "finetuned")
      .needs([&] {
        return options.trained_by().makes_adjustments()
                   ? needs_training(options.training)()
                   : "no effect with --method " + options.method + ", which makes no precision adjustments";
      })
      .resume(ResumeRule::kOverride);
  for (const char* name : {"bits", "layer-bits", "keep-float", "bin"}) {
    table.find(name)->needs([&] {
      return options.method == "float" ? "cannot go with --float, which trains full precision" : "";
    });
  }
  refuse_where_method_decides(table, options);
  line.add_family({"method", options.method, method_names, [&](OptionTable& target, const std::string& name) {
                     add_method_options(target, name, options);
                   }});
  line.add_family(architecture_family(options.model));
}

TrainOptions parse_train_options(int argc, const char* const* argv) {
  TrainOptions options;
  auto line = train_command_line();
  add_options(line, options);
  line.parse(argc, argv);
  take_older_rule(line.table(), options.training);
  take_epochs(options);
  options.training.take_default_schedule(line.table());
  options.output.configuration = line.configuration();
  take_architecture_options(line.table(), options.model);
  take_method_options(line.table(), options);
  options.model.default_bits = options.trained_by().default_bits();
  options.model.default_act = options.trained_by().default_activation_bits();
  options.model.bits_by_call = line.table().find("bits")->source() == OptionSource::kCall;
  try {
    options.trained_by().check_rules(layer_rules(options.model));
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  return options;
}

}  // namespace bsq::cli
