#include "tools/cli/command_line.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "bsq/base/error.h"
#include "models/registry.h"
#include "tools/cli/conversion.h"
#include "tools/cli/option_error.h"
#include "tools/cli/option_text.h"
#include "tools/cli/presets.h"
#include "tools/cli/resume_flags.h"

namespace bsq::cli {
namespace po = boost::program_options;
namespace {

constexpr int64_t kMany = int64_t{1} << 40;
constexpr size_t kMaxPresetBytes = size_t{1} << 20;

const std::map<std::string, std::string> kAliases = {{"--learning-rate", "--lr"}, {"--weight-decay", "--wd"}};
// What belongs to one call of a tool, not to the run.
const std::set<std::string> kOfOneCall = {"help", "config", "resume", "override-resume", "overwrite"};

std::vector<std::string> without_aliases(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto name = argument.substr(0, argument.find('='));
    const auto alias = kAliases.find(name);
    arguments.push_back(alias == kAliases.end() ? argument : alias->second + argument.substr(name.size()));
  }
  return arguments;
}

std::string arch_help() {
  std::string names;
  for (const auto& name : architectures()) {
    names += (names.empty() ? "" : ", ") + name;
  }
  return "architecture: " + names + " (from the file, else resnet)";
}

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  if (!in || std::filesystem::is_directory(path)) {
    throw Error(path + ": cannot be read; expected a preset in INI form");
  }
  std::string text(kMaxPresetBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxPresetBytes) {
    throw Error(path + ": longer than 1 MiB; expected a preset in INI form");
  }
  return text;
}

}  // namespace

CommandLine::CommandLine(const std::string& usage) : usage_(usage), own_("Options of this tool", 110) {
  po::options_description general("General", 110);
  general.add_options()("help,h", "print this text")(
      "config", po::value<std::string>(),
      "read options from this INI file too, or from the preset of this name; the command line wins");
  all_.add(general);
}

void CommandLine::add(const ModelFlags& defaults) {
  po::options_description group("Network", 110);
  auto add = group.add_options();
  add("arch,a", po::value<std::string>(), arch_help().c_str());
  add("depth", po::value<int64_t>(),
      "layers: 6n+2 with BasicBlock, 9n+2 with Bottleneck (from the file, else 20)");
  add("block-name", po::value<std::string>(), "BasicBlock or Bottleneck (from the file, else BasicBlock)");
  add("act", po::value<int64_t>(),
      "bits of activations: 0 float, 1 to 3 PACT, 4 to 32 ReLU6 (from the file, else 4)");
  add("act-range", po::value<std::string>(),
      "range of activations at test time: running (tracked in training) or batch, as published (from the "
      "file, else "
      "running)");
  add("quantize-shortcut", po::bool_switch(), "give the 1x1 convolutions of shortcuts bits too");
  add("model", po::value<std::string>()->default_value(defaults.model),
      "model file: .h5, or PyTorch's .pth, .pth.tar, .th");
  add("Nbits", po::value<int64_t>()->default_value(defaults.bits),
      "width, 1 to 16, that a float file is converted at; a file with a scheme keeps its own");
  add("layer-bits", po::value<std::string>()->default_value(""),
      "PATTERN=BITS,...: other widths of single layers of a float file, 'conv1=8,layer1.*=6'; of those that "
      "match a "
      "layer the last counts");
  add("keep-float", po::value<std::string>()->default_value(""),
      "PATTERN,...: layers of a float file that get no bits");
  all_.add(group);
}

void CommandLine::add(const DataFlags& defaults) {
  po::options_description group("Data", 110);
  auto add = group.add_options();
  add("dataset,d", po::value<std::string>(),
      "cifar10, cifar100, imagefolder or synthetic (from the file, else cifar10)");
  add("data", po::value<std::string>()->default_value(defaults.folder), "folder of the data set");
  add("train-batch", po::value<int64_t>()->default_value(defaults.train_batch), "images in a training batch");
  add("test-batch", po::value<int64_t>()->default_value(defaults.test_batch), "images in a test batch");
  add("workers,j", po::value<int64_t>()->default_value(defaults.workers), "threads that make batches");
  add("manualSeed", po::value<int64_t>()->default_value(static_cast<int64_t>(defaults.seed)),
      "seed of everything random");
  add("val-split", po::value<int64_t>()->default_value(defaults.validation),
      "training images to hold out and to pick the best model on; 0: pick on the test set, as published");
  all_.add(group);
}

void CommandLine::add(const RuntimeFlags& defaults) {
  po::options_description group("Machine", 110);
  auto add = group.add_options();
  add("device", po::value<std::string>()->default_value(defaults.device), "cpu or cuda");
  add("gpu-id", po::value<int64_t>()->default_value(defaults.gpu_id), "which GPU, with --device cuda");
  add("threads", po::value<int64_t>()->default_value(defaults.threads), "threads that compute; 0: all cores");
  add("precision", po::value<std::string>()->default_value(defaults.precision),
      "fp32, or bf16: activations and convolutions in bfloat16; planes, scales, norms stay float32");
  all_.add(group);
}

void CommandLine::add(const TrainingFlags& defaults) {
  po::options_description group("Training", 110);
  auto add = group.add_options();
  add("epochs", po::value<int64_t>()->default_value(defaults.epochs), "epochs in all");
  add("start-epoch", po::value<int64_t>()->default_value(defaults.start_epoch),
      "epoch to begin with, from 0");
  add("lr", po::value<double>()->default_value(defaults.learning_rate, shortest(defaults.learning_rate)),
      "learning rate (also --learning-rate)");
  add("momentum", po::value<double>()->default_value(defaults.momentum, shortest(defaults.momentum)),
      "momentum");
  add("wd", po::value<double>()->default_value(defaults.weight_decay, shortest(defaults.weight_decay)),
      "weight decay (also --weight-decay)");
  add("schedule",
      po::value<std::vector<int64_t>>()->multitoken()->default_value(defaults.schedule, "150 225"),
      "epochs, rising, at which the learning rate drops");
  add("gamma", po::value<double>()->default_value(defaults.gamma, shortest(defaults.gamma)),
      "factor of the learning rate at each of them");
  add("bin", po::bool_switch(), "the model file must hold bits");
  add("evaluate,e", po::bool_switch(), "evaluate the model and end");
  add("resume", po::bool_switch(),
      "go on from checkpoint.h5 in the folder of --checkpoint, with its options");
  add("overwrite", po::bool_switch(), "begin anew in a folder that holds a run, which is removed");
  add("tensorboard", po::bool_switch(), "write TensorBoard event files beside log.txt, a step an epoch");
  add("override-resume", po::value<std::string>()->default_value(""),
      "with --resume: names of flags, separated by commas, whose new values replace the run's");
  add("checkpoint-steps", po::value<int64_t>()->default_value(defaults.checkpoint_steps),
      "save inside an epoch too, after every so many steps; 0: after epochs only");
  add("on-nan", po::value<std::string>()->default_value(defaults.on_nan),
      "where the loss is not finite: stop, or rollback to the last checkpoint with half the learning rate, "
      "at "
      "most three times");
  all_.add(group);
}

void CommandLine::add_output(const std::string& default_folder) {
  po::options_description group("Output", 110);
  group.add_options()("checkpoint,c", po::value<std::string>()->default_value(default_folder),
                      "folder that the run writes to");
  all_.add(group);
}

void CommandLine::parse(int argc, const char* const* argv) {
  all_.add(own_);
  try {
    parse_arguments(argc, argv);
    if (values_.count("help") != 0) {
      std::ostringstream text;
      text << usage_ << "\n" << all_;
      throw HelpRequest{text.str()};
    }
    if (values_.count("config") != 0) {
      const auto path = preset_path(values_["config"].as<std::string>());
      parse_ini(read_text(path), path);
    }
    if (values_.count("resume") != 0 && values_["resume"].as<bool>()) {
      values_ = resumed_values(values_, all_);
    } else if (values_.count("override-resume") != 0 && !values_["override-resume"].defaulted()) {
      throw UsageError("--override-resume: expected --resume too");
    }
  } catch (po::error& error) {
    throw UsageError(message_of(error));
  }
}

void CommandLine::parse_arguments(int argc, const char* const* argv) {
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  const auto parsed = po::command_line_parser(without_aliases(argc, argv)).options(all_).style(style).run();
  for (const auto& option : parsed.options) {
    if (option.position_key >= 0) {
      throw UsageError("'" + option.original_tokens.front() +
                       "': unexpected; expected a flag, as --help lists them");
    }
  }
  po::store(parsed, values_);
}

void CommandLine::parse_ini(const std::string& text, const std::string& from) {
  std::istringstream in(text);
  try {
    po::store(po::parse_config_file(in, all_), values_);
  } catch (po::error& error) {
    throw UsageError(from + ": " + message_of(error));
  }
}

std::string CommandLine::configuration() const {
  std::ostringstream text;
  for (const auto& [name, value] : values_) {
    if (kOfOneCall.count(name) == 0 && !value.empty()) {
      require_ini_can_hold(name, value);
      text << ini_of(name, value);
    }
  }
  return text.str();
}

template <typename T>
std::optional<T> CommandLine::optional(const std::string& name) const {
  return values_.count(name) == 0 ? std::nullopt : std::optional<T>(values_[name].as<T>());
}

int64_t CommandLine::integer(const std::string& name, int64_t low, int64_t high) const {
  const auto value = values_[name].as<int64_t>();
  if (value < low || value > high) {
    throw UsageError("--" + name + " " + std::to_string(value) + ": expected " + std::to_string(low) +
                     (high == kMany ? " or more" : " to " + std::to_string(high)));
  }
  return value;
}

double CommandLine::real(const std::string& name, double low, double high) const {
  const auto value = values_[name].as<double>();
  if (!(value >= low && value <= high)) {
    throw UsageError("--" + name + " " + shortest(value) + ": expected " + shortest(low) + " to " +
                     shortest(high));
  }
  return value;
}

ModelFlags CommandLine::model() const {
  ModelFlags flags;
  flags.arch = optional<std::string>("arch");
  flags.depth = optional<int64_t>("depth");
  flags.block_name = optional<std::string>("block-name");
  if (values_.count("act") != 0) {
    flags.act = integer("act", 0, 32);
  }
  flags.act_range = optional<std::string>("act-range");
  if (flags.act_range && *flags.act_range != "running" && *flags.act_range != "batch") {
    throw UsageError("--act-range " + *flags.act_range + ": expected running or batch");
  }
  flags.quantize_shortcut = values_["quantize-shortcut"].as<bool>();
  flags.model = values_["model"].as<std::string>();
  flags.bits = integer("Nbits", 1, 16);
  flags.names_bits = !values_["Nbits"].defaulted();
  flags.layer_bits = parse_layer_bits(values_["layer-bits"].as<std::string>());
  flags.keep_float = parse_keep_float(values_["keep-float"].as<std::string>());
  return flags;
}

DataFlags CommandLine::data() const {
  DataFlags flags;
  flags.dataset = optional<std::string>("dataset");
  flags.folder = values_["data"].as<std::string>();
  flags.train_batch = integer("train-batch", 1, 1 << 20);
  flags.test_batch = integer("test-batch", 1, 1 << 20);
  flags.workers = integer("workers", 0, 256);
  flags.seed = static_cast<uint64_t>(integer("manualSeed", 0, kMany));
  flags.validation = integer("val-split", 0, kMany);
  return flags;
}

RuntimeFlags CommandLine::runtime() const {
  RuntimeFlags flags;
  flags.device = values_["device"].as<std::string>();
  if (flags.device != "cpu" && flags.device != "cuda") {
    throw UsageError("--device " + flags.device + ": expected cpu or cuda");
  }
  flags.gpu_id = integer("gpu-id", 0, 127);
  flags.threads = integer("threads", 0, 1024);
  flags.precision = values_["precision"].as<std::string>();
  if (flags.precision != "fp32" && flags.precision != "bf16") {
    throw UsageError("--precision " + flags.precision + ": expected fp32 or bf16");
  }
  return flags;
}

TrainingFlags CommandLine::training() const {
  TrainingFlags flags;
  flags.epochs = integer("epochs", 0, 1000000);
  flags.start_epoch = integer("start-epoch", 0, 1000000);
  flags.learning_rate = real("lr", 0, 1e6);
  flags.momentum = real("momentum", 0, 1);
  flags.weight_decay = real("wd", 0, 1e6);
  flags.schedule = values_["schedule"].as<std::vector<int64_t>>();
  for (size_t i = 0; i < flags.schedule.size(); ++i) {
    if (flags.schedule[i] < 0 || (i > 0 && flags.schedule[i] <= flags.schedule[i - 1])) {
      throw UsageError("--schedule: " + std::to_string(flags.schedule[i]) +
                       " is not above what stands before it");
    }
  }
  flags.gamma = real("gamma", 0, 1e6);
  flags.needs_bits = values_["bin"].as<bool>();
  flags.evaluate = values_["evaluate"].as<bool>();
  flags.resume = values_["resume"].as<bool>();
  flags.has_new_rate =
      flags.resume && names_of(values_["override-resume"].as<std::string>()).count("lr") != 0;
  flags.overwrite = values_["overwrite"].as<bool>();
  if (flags.resume && flags.overwrite) {
    throw UsageError("--overwrite begins a run anew; it cannot go with --resume");
  }
  flags.tensorboard = values_["tensorboard"].as<bool>();
  flags.checkpoint_steps = integer("checkpoint-steps", 0, kMany);
  flags.on_nan = values_["on-nan"].as<std::string>();
  if (flags.on_nan != "stop" && flags.on_nan != "rollback") {
    throw UsageError("--on-nan " + flags.on_nan + ": expected stop or rollback");
  }
  return flags;
}

OutputFlags CommandLine::output() const { return {values_["checkpoint"].as<std::string>(), configuration()}; }

}  // namespace bsq::cli
