#include "tools/cli/session.h"

#include <torch/cuda.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <ostream>
#include <sstream>
#include <thread>

#include "bsq/base/error.h"
#include "bsq/base/ranks.h"
#include "bsq/base/shown_text.h"
#include "bsq/data/image_folder.h"
#include "bsq/io/model_file.h"
#include "bsq/io/rename.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"
#include "tools/cli/conversion.h"
#include "tools/cli/notice.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

constexpr int64_t kCalibrationBatches = 50;

LoaderShare share_of(LoaderShare::Kind kind) {
  const auto* ranks = current_ranks();
  return ranks == nullptr ? LoaderShare() : LoaderShare{kind, ranks->rank(), ranks->count()};
}

std::unique_ptr<BatchLoader> make_loader(const ImageDataset& images, const DatasetSplits& splits,
                                         const DataFlags& flags, torch::ScalarType type, bool is_training,
                                         const LoaderShare& share) {
  LoaderOptions options;
  options.batch_size = is_training ? flags.train_batch : flags.test_batch;
  options.shuffle = options.augment = is_training;
  options.workers = flags.workers;
  options.seed = flags.seed;
  options.crop_border = flags.crop_padding.value_or(options.crop_border);
  options.cutout = flags.cutout;
  options.mixup = flags.mixup;
  options.cutmix = flags.cutmix;
  options.normalization = splits.normalization;
  options.type = type;
  options.layout = torch::MemoryFormat::ChannelsLast;
  options.share = share;
  try {
    return std::make_unique<BatchLoader>(images, options);
  } catch (const std::invalid_argument& error) {
    throw UsageError(std::string(is_training ? "--batch-size: " : "--test-batch: ") + error.what());
  }
}

template <typename T>
T resolve(const char* flag, const std::optional<T>& given, const T& stored, bool has_file) {
  if (given && has_file && *given != stored) {
    std::ostringstream text;
    text << "--" << flag << " " << *given << " contradicts the model file, which has " << stored;
    throw UsageError(text.str());
  }
  return given ? *given : stored;
}

// The stored ones and those that are given, which may not contradict them.
std::map<std::string, std::string> resolve_options(const ModelFlags& flags, const NetworkDescription& stored,
                                                   bool has_file) {
  auto options = stored.options;
  for (const auto& [name, text] : flags.network) {
    const auto found = options.find(name);
    const auto known = found == options.end() ? text : found->second;
    options[name] = resolve(name.c_str(), std::optional(text), known, has_file);
  }
  return options;
}

bool ends_with(const std::vector<LayerRule>& rules, const std::vector<LayerRule>& end) {
  return rules.size() >= end.size() && std::equal(end.rbegin(), end.rend(), rules.rbegin());
}

// Those of --layer-act, else the stored ones. A method may have put rules of its own in front of the user's.
std::vector<LayerRule> resolve_rules(const ModelFlags& flags, const NetworkDescription& stored,
                                     bool is_bound) {
  const auto given = flags.layer_act.empty() ? stored.activation_rules : parse_layer_act(flags.layer_act);
  if (is_bound && !ends_with(stored.activation_rules, given)) {
    throw UsageError("--layer-act: contradicts the model file, whose activations have other bit widths");
  }
  return is_bound ? stored.activation_rules : given;
}

// With those that older files lack, as the images that the network was made for have them.
std::map<std::string, std::string> options_for(NetworkDescription description,
                                               const NetworkDescription& stored, const ModelFlags& flags) {
  description.image_height = stored.image_height;
  description.image_width = stored.image_width;
  try {
    return completed(description).options;
  } catch (const std::invalid_argument& error) {
    throw Error(flags.model + ": " + error.what());
  }
}

// PyTorch files say nothing of their network: flags or defaults do. A float network's activations are free to
// be others than those that it was trained with.
NetworkDescription description_of(const ModelFlags& flags, const std::optional<Checkpoint>& file,
                                  const Data& data) {
  const bool has_description = file && !file->description.architecture.empty();
  const auto stored = has_description ? file->description : NetworkDescription();
  NetworkDescription result;
  result.architecture = resolve("arch", flags.arch, stored.architecture, has_description);
  result.options = resolve_options(flags, stored, has_description);
  if (has_description) {
    result.options = options_for(result, stored, flags);
  }
  result.image_height = data.image.height;
  result.image_width = data.image.width;
  const bool is_bound = has_description && file->method != "float";
  result.activation = stored.activation;
  result.activation_place = stored.activation_place;
  result.norm = stored.norm;
  const auto bits = is_bound ? stored.activation_bits : flags.default_act.value_or(stored.activation_bits);
  result.activation_bits = resolve("act", flags.act, bits, is_bound);
  result.activation_rules = resolve_rules(flags, stored, is_bound);
  const std::string range = to_string(stored.activation_range);
  result.activation_range = activation_range_of(resolve("act-range", flags.act_range, range, is_bound));
  result.classes = data.classes();
  if (has_description && stored.classes != result.classes) {
    throw Error(flags.model + ": a network of " + std::to_string(stored.classes) + " classes; expected " +
                std::to_string(result.classes) + ", as the data set has");
  }
  return result;
}

// A damaged checkpoint.h5 is never exchanged silently, but the one before it is named.
ModelFile read_model_or_advise(const std::string& path) {
  try {
    return read_model(path);
  } catch (const Error& error) {
    const auto previous = std::filesystem::path(path).parent_path() / "checkpoint.prev.h5";
    if (std::filesystem::path(path).filename() != "checkpoint.h5" || !std::filesystem::exists(previous)) {
      throw;
    }
    throw Error(error.what() + std::string("; the one before it is ") + previous.string());
  }
}

std::shared_ptr<Network> build(const NetworkDescription& description, const ModelFlags& flags,
                               bool is_stored) {
  try {
    return make_network(description);
  } catch (const std::invalid_argument& error) {
    if (is_stored) {
      throw Error(flags.model + ": " + error.what());
    }
    throw UsageError(error.what());
  }
}

// A file without a description may have other names than the network.
void load_model(Network& network, const ModelFlags& flags, const Checkpoint& file) {
  const bool is_own = !file.description.architecture.empty();
  if (is_own && !flags.rename.empty()) {
    throw UsageError("--rename: " + flags.model + " is a file of ours, whose names are the network's");
  }
  try {
    auto state = file.network;
    if (!is_own) {
      drop_common_prefixes(state, state_names(network));
      drop_tensors(state, training_only(network.description()));
      rename_tensors(state, {flags.rename.begin(), flags.rename.end()});
    }
    load_network(network, state, is_own ? StateOrigin::kOwn : StateOrigin::kImported);
  } catch (const NamesDiffer& error) {
    throw Error(flags.model + ": " + error.what() +
                (is_own ? "" : "; --rename PATTERN=NAME gives tensors other names"));
  } catch (const Error& error) {
    throw Error(flags.model + ": " + error.what());
  }
}

// The stored description with the options of the one in use, which has those that the file lacks, and for its
// images.
NetworkDescription with_options(NetworkDescription stored, const NetworkDescription& wanted) {
  stored.options = wanted.options;
  stored.image_height = wanted.image_height;
  stored.image_width = wanted.image_width;
  return stored;
}

bool is_float_file(const Checkpoint& file) {
  return std::all_of(file.network.begin(), file.network.end(),
                     [](const auto& entry) { return entry.second.encoding == Encoding::kFloat; });
}

NetworkDescription adapted(const NetworkDescription& description, const Adaptation& adapt) {
  try {
    return adapt(description);
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

// Builds a float network anew where another description is wanted of it.
void rebuild_model(Model& model, NetworkDescription description) {
  description.options = model.network->description().options;
  if (description == model.network->description()) {
    return;
  }
  try {
    model.network = rebuild(*model.network, description);
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  model.origin.description = model.network->description();
}

// `running` is what a network without such activations has.
void check_act_range(const ModelFlags& flags, const NetworkDescription& wanted) {
  if (flags.act_range == "batch" && !uses_activation_range(wanted)) {
    throw UsageError("--act-range batch: no effect on " +
                     (wanted.activation_bits == 0 ? std::string("float activations")
                                                  : "activations of the kind " + wanted.activation) +
                     ", which take no range from a batch");
  }
}

std::array<float, 3> three_numbers(const char* flag, const std::vector<std::string>& texts) {
  std::array<float, 3> numbers{};
  if (texts.size() != numbers.size()) {
    throw UsageError(std::string("--") + flag + ": expected three numbers, for red, green and blue");
  }
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = std::stof(texts[i]);
  }
  return numbers;
}

// The flags', else the file's, else the data set's. They may not contradict each other.
Normalization normalization_for(const DataFlags& flags, const std::optional<Checkpoint>& file,
                                const Normalization& usual) {
  const auto stored = file ? file->data.normalization : std::nullopt;
  if (!flags.normalize && flags.mean.empty() && flags.std.empty()) {
    return stored.value_or(usual);
  }
  auto given = flags.normalize ? normalization_of(*flags.normalize) : stored.value_or(usual);
  given.mean = flags.mean.empty() ? given.mean : three_numbers("mean", flags.mean);
  given.std = flags.std.empty() ? given.std : three_numbers("std", flags.std);
  if (stored && *stored != given) {
    throw UsageError(
        "--normalize, --mean and --std contradict the model file, whose images were prepared with other "
        "constants");
  }
  return given;
}

// "data: cifar10, 45000 training, 5000 validation, 10000 test images, 10 classes", and what else is to be
// said.
std::vector<std::string> lines_of(const std::string& dataset, const DataRecord& record,
                                  const std::vector<std::string>& notes, bool names_are_missing) {
  auto lines = notes;
  lines.push_back("data: " + dataset + ", " + std::to_string(record.train) + " training, " +
                  (record.validation > 0 ? std::to_string(record.validation) + " validation, " : "") +
                  std::to_string(record.test) + " test images, " + std::to_string(record.class_names.size()) +
                  " classes");
  if (names_are_missing) {
    lines.emplace_back("the model file names no classes: they are taken to be those of the data set");
  }
  return lines;
}

void check_classes(const DataFlags& flags, const std::optional<Checkpoint>& file, const DataRecord& found) {
  if (!file) {
    return;
  }
  const auto& stored = file->data;
  check_class_names(flags.folder, stored.class_names, found.class_names);
  const bool has_other_size =
      stored.train != found.train || stored.validation != found.validation || stored.test != found.test;
  if (flags.is_resumed && stored.train >= 0 && has_other_size) {
    throw Error(flags.folder + ": other numbers of images than the run began with: " +
                std::to_string(stored.train) + " training, " + std::to_string(stored.validation) +
                " validation, " + std::to_string(stored.test) + " test images");
  }
}

// The flags', else the file's, else the data set's own.
void take_sizes(DatasetOptions& options, const DataFlags& flags, const std::optional<Checkpoint>& file) {
  if (!is_image_folder(options.dataset)) {
    return;
  }
  const auto stored = file ? file->data : DataRecord();
  const int64_t usual = options.dataset == "imagenet" ? kImageNetSide : 0;
  options.image_size = flags.image_size.value_or(stored.image_size > 0 ? stored.image_size : usual);
  options.is_strict = flags.is_strict;
  if (flags.resize && options.image_size == 0) {
    throw UsageError("--resize: needs --image-size");
  }
  const bool is_stored = stored.resize > 0 && stored.image_size == options.image_size;
  options.resize = flags.resize.value_or(is_stored ? stored.resize : usual_resize(options.image_size));
}

// The dataset may be known from the file alone, too late for the option table.
void refuse_idle_flags(const DatasetOptions& options, const DataFlags& flags) {
  const bool sizes = flags.image_size || flags.resize || flags.is_strict;
  if (sizes && !is_image_folder(options.dataset)) {
    throw UsageError("--image-size, --resize and --strict: no effect on " + options.dataset +
                     "; expected imagefolder or imagenet");
  }
  if (flags.crop_padding && options.image_size > 0) {
    throw UsageError("--crop-padding: no effect where pictures are resized: random parts of them are taken");
  }
}

std::vector<std::shared_ptr<const FileImages>> files_of(const DatasetSplits& splits) {
  std::vector<std::shared_ptr<const FileImages>> files;
  for (const auto& data : {splits.train, splits.test}) {
    if (data.files) {
      files.push_back(data.files);
    }
  }
  return files;
}

}  // namespace

torch::Device set_up_runtime(const RuntimeFlags& flags, uint64_t seed,
                             const std::optional<RankPlace>& place) {
  const auto all = static_cast<int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  const auto cores = std::max<int64_t>(1, all / (place ? place->local_count : 1));
  const int64_t gpu = flags.gpu_id + (place ? place->local_rank : 0);
  torch::set_num_threads(static_cast<int>(flags.threads == 0 ? cores : flags.threads));
  torch::manual_seed(seed);
  if (flags.device == "cpu") {
    return torch::kCPU;
  }
  if (!torch::cuda::is_available() || gpu >= static_cast<int64_t>(torch::cuda::device_count())) {
    throw UsageError("--device cuda: no such GPU for this libtorch; expected one, or --device cpu");
  }
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(gpu)};
}

std::optional<Checkpoint> read_named_model(const ModelFlags& flags) {
  if (flags.model.empty()) {
    return std::nullopt;
  }
  auto file = read_model_or_advise(flags.model);
  if (!file.has_description) {
    file.checkpoint.description.architecture.clear();
  }
  return std::move(file.checkpoint);
}

Data load_data(const DataFlags& flags, const RuntimeFlags& runtime, const std::optional<Checkpoint>& file) {
  DatasetOptions options;
  const bool file_knows = file && !file->dataset.empty();
  options.dataset = flags.dataset.value_or(file_knows ? file->dataset : "cifar10");
  options.folder = flags.folder;
  options.seed = flags.seed;
  options.validation = flags.validation;
  take_sizes(options, flags, file);
  refuse_idle_flags(options, flags);
  DatasetSplits splits;
  try {
    splits = load_dataset(options);
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  DataFlags in_order = flags;
  in_order.test_batch = flags.train_batch;
  const auto type = runtime.precision == "bf16" ? torch::kBFloat16 : torch::kFloat32;
  splits.normalization = normalization_for(flags, file, splits.normalization);
  const DataRecord record{splits.class_names, splits.train.size(),  splits.validation.size(),
                          splits.test.size(), splits.normalization, options.image_size,
                          options.resize};
  check_classes(flags, file, record);
  const auto images = share_of(LoaderShare::Kind::kImages);
  const auto batches = share_of(LoaderShare::Kind::kBatches);
  return {options.dataset,
          record,
          lines_of(options.dataset, record, splits.notes, file && file->data.class_names.empty()),
          splits.train.image_size(),
          make_loader(splits.train, splits, flags, type, /*is_training=*/true, images),
          make_loader(splits.train, splits, in_order, type, /*is_training=*/false, {}),
          make_loader(flags.validation > 0 ? splits.validation : splits.test, splits, flags, type,
                      /*is_training=*/false, batches),
          make_loader(splits.test, splits, flags, type, /*is_training=*/false, batches),
          files_of(splits)};
}

void report_damage(const Data& data) {
  for (const auto& files : data.files) {
    for (const auto& line : files->take_damage()) {
      notice(line);
    }
  }
}

void print_data(const Data& data) {
  for (const auto& line : data.lines) {
    std::cout << shown_text(line) << "\n";
  }
}

Model make_model(const ModelFlags& flags, const std::optional<Checkpoint>& file, const Data& data,
                 torch::Device device, const Adaptation& adapt) {
  Model model;
  const auto description = description_of(flags, file, data);
  const bool has_description = file && !file->description.architecture.empty();
  const bool is_adapted = adapt && (!file || is_float_file(*file));
  const auto wanted = is_adapted ? adapted(description, adapt) : description;
  check_act_range(flags, wanted);
  auto first = has_description ? with_options(file->description, description) : wanted;
  if (file && !has_description && is_adapted) {
    first = description;
    first.activation_rules.clear();  // they speak of the activations that are wanted
  }
  model.network = build(first, flags, has_description);
  if (file) {
    load_model(*model.network, flags, *file);
    rebuild_model(model, wanted);
    model.origin = *file;
    model.origin.network.clear();
  }
  model.origin.description = model.network->description();
  model.network->to(device);
  return model;
}

void calibrate_if_needed(Network& network, Data& data, std::ostream& out) {
  if (needs_calibration(network)) {
    const int64_t batches = std::min(kCalibrationBatches, data.calibration->batches());
    calibrate(network, *data.calibration, batches);
    out << "activation ranges: none stored; calibrated on " << batches << " training batches" << std::endl;
  }
}

Evaluation evaluate_finite(Network& network, BatchLoader& loader) {
  const auto evaluation = evaluate(network, loader);
  if (!std::isfinite(evaluation.loss)) {
    throw Error(std::string("the loss of the model is ") +
                (std::isnan(evaluation.loss) ? "nan" : "infinite") + " on " +
                std::to_string(evaluation.images) + " test images; expected a number");
  }
  return evaluation;
}

std::string text_of(const Evaluation& evaluation) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << "top-1 " << evaluation.top1() << " %, loss "
       << std::setprecision(4) << evaluation.loss << " (" << evaluation.correct << " of " << evaluation.images
       << ")";
  return text.str();
}

}  // namespace bsq::cli
