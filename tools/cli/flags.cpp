#include "tools/cli/flags.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "bsq/data/dataset.h"
#include "bsq/io/rename.h"
#include "bsq/train/phases.h"
#include "bsq/train/ranks/rank_place.h"
#include "models/registry.h"
#include "tools/cli/conversion.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

constexpr double kMany = 1099511627776.0;  // 2^40
constexpr double kMostEpochs = 1e6;
constexpr double kMostBatch = 1 << 20;

bool is_rising(const std::vector<int64_t>& epochs) {
  return std::adjacent_find(epochs.begin(), epochs.end(), std::greater_equal<>()) == epochs.end();
}

bool are_rules(const std::vector<std::string>& entries) {
  try {
    parse_layer_bits(entries);
    return true;
  } catch (const UsageError&) {
    return false;
  }
}

bool are_activation_rules(const std::vector<std::string>& entries) {
  try {
    parse_layer_act(entries);
    return true;
  } catch (const UsageError&) {
    return false;
  }
}

bool are_renames(const std::vector<std::string>& entries) {
  try {
    for (const auto& entry : entries) {
      RenameRule{entry};
    }
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

// Three numbers of at least `least`, or none.
bool are_numbers(const std::vector<std::string>& texts, double least) {
  for (const auto& text : texts) {
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !(number >= least) || number > 1e3) {
      return false;
    }
  }
  return texts.empty() || texts.size() == 3;
}

// "" for good ones.
std::string expected_of_phases(const std::vector<std::string>& entries) {
  try {
    training_phases_of(entries);
    return "";
  } catch (const std::invalid_argument& error) {
    const std::string text = error.what();
    return text.substr(text.find("expected ") + std::string("expected ").size());
  }
}

// Why an option has no effect whose number the first phase gives; `setting` is that number.
std::function<std::string()> needs_no_phase(const TrainingFlags& flags,
                                            std::optional<double> TrainingPhase::*setting) {
  return [&flags, setting] {
    const auto phases = training_phases_of(flags.phases);
    const bool is_given = !phases.empty() && phases[0].begin == 0 && phases[0].*setting;
    return is_given ? "no effect with --phases, which gives it from the start on" : "";
  };
}

// "43 % and 64 % of --epochs"
std::string schedule_text(const std::vector<double>& parts) {
  std::string text;
  for (const double part : parts) {
    text += (text.empty() ? "" : " and ") + std::to_string(std::lround(100 * part)) + " %";
  }
  return text + " of --epochs";
}

// What says how long and how fast it trains; the run may change it when it goes on only where it is asked to.
void add_schedule(OptionTable& table, TrainingFlags& flags) {
  constexpr auto kOverride = ResumeRule::kOverride;
  table.add("epochs", &flags.epochs, "epochs in all").range(0, kMostEpochs).resume(ResumeRule::kFree);
  table.add("start-epoch", &flags.start_epoch, "the epoch to begin with, counted from 0")
      .range(0, kMostEpochs)
      .resume(ResumeRule::kFixed);
  table.add("lr", &flags.learning_rate, "learning rate")
      .alias("learning-rate")
      .range(0, 1e6)
      .needs(needs_no_phase(flags, &TrainingPhase::rate))
      .resume(kOverride);
  table.add("momentum", &flags.momentum, "momentum")
      .range(0, 1)
      .needs(needs_no_phase(flags, &TrainingPhase::momentum))
      .resume(kOverride);
  table.add("wd", &flags.weight_decay, "weight decay, on every parameter")
      .alias("weight-decay")
      .range(0, 1e6)
      .needs(needs_no_phase(flags, &TrainingPhase::weight_decay))
      .resume(kOverride);
  const auto needs_no_phases = [&] { return flags.phases.empty() ? "" : "no effect with --phases"; };
  const auto needs_steps = [&] {
    return flags.rate_schedule.value_or("step") == "step" ? "" : "no effect without --lr-schedule step";
  };
  table
      .add(
          "lr-schedule", &flags.rate_schedule,
          "how the learning rate falls: by --gamma at the epochs of --schedule, or step by step to 0 along a "
          "cosine or a line")
      .one_of({"step", "cosine", "linear"})
      .default_text("step with --schedule or --gamma, else cosine")
      .needs(needs_no_phases)
      .resume(kOverride);
  table.add("schedule", &flags.schedule, "epochs, rising, at which the learning rate drops")
      .range(0, kMostEpochs)
      .verify([&] { return is_rising(flags.schedule) ? "" : "rising epochs"; })
      .default_text(schedule_text(flags.schedule_parts))
      .needs(needs_no_phases)
      .needs(needs_steps)
      .resume(kOverride);
  table.add("gamma", &flags.gamma, "factor by which the learning rate changes at each epoch of --schedule")
      .range(0, 1e6)
      .needs(needs_no_phases)
      .needs(needs_steps)
      .resume(kOverride);
  table
      .add("phases", &flags.phases,
           "settings of the optimizer from an epoch on, or from a step (25020s), in place of a schedule: "
           "'0:lr=0..0.1 5:lr=0.1 30:lr=0.01:wd=0'; lr, momentum, wd; A..B changes linearly until the next "
           "phase; settings that a phase does not name keep their values")
      .value_name("BEGIN:NAME=VALUE,...")
      .verify([&] { return expected_of_phases(flags.phases); })
      .default_text("none")
      .resume(kOverride);
  table
      .add("reestimate", &flags.reestimate,
           "training batches from which batch-norm statistics and activation ranges are estimated again "
           "before each evaluation; 0: use those tracked in training, which lag behind the weights")
      .range(0, 1e6)
      .resume(kOverride);
}

void add_loss(OptionTable& table, TrainingFlags& flags) {
  constexpr auto kOverride = ResumeRule::kOverride;
  const auto needs_teacher = [&] { return flags.teacher.empty() ? "no effect without --teacher" : ""; };
  table
      .add("teacher", &flags.teacher,
           "a model whose outputs the network learns beside the labels; self: the one of --model, as it is "
           "before its conversion")
      .value_name("MODEL")
      .resume(kOverride);
  table
      .add("teacher-weight", &flags.teacher_weight,
           "weight of the teacher in the loss; the labels get the rest, or --label-weight")
      .range(0, 1)
      .needs(needs_teacher)
      .resume(kOverride);
  table
      .add("label-weight", &flags.label_weight,
           "weight of the labels in the loss, beside that of the teacher")
      .range(0, 1)
      .default_text("1 less --teacher-weight")
      .needs(needs_teacher)
      .resume(kOverride);
  table
      .add("temperature", &flags.temperature,
           "temperature of the softmax of network and teacher in the teacher's loss")
      .range(1e-3, 1e3)
      .needs(needs_teacher)
      .resume(kOverride);
  table
      .add("label-smoothing", &flags.label_smoothing,
           "part of each label that is spread over all classes; the reported loss does not include it")
      .range(0, 0.999)
      .resume(kOverride);
  table
      .add("ema", &flags.average_decay,
           "decay of an exponential moving average of the trained tensors (0.999, for example), which is "
           "evaluated and saved; 0: use the tensors of the last step")
      .range(0, 0.999999)
      .needs([&] { return flags.reestimate == 0 ? "no effect with --reestimate 0" : ""; })
      .resume(ResumeRule::kFixed);
}

// What is written and when.
void add_saving(OptionTable& table, TrainingFlags& flags) {
  table
      .add("tensorboard", &flags.tensorboard,
           "write TensorBoard event files beside log.txt, one step for each epoch")
      .resume(ResumeRule::kFree);
  table
      .add("checkpoint-steps", &flags.checkpoint_steps, "also save after every N steps; 0: only after epochs")
      .range(0, kMany)
      .resume(ResumeRule::kFree);
  table
      .add("on-nan", &flags.on_nan,
           "where the loss is not finite: stop, or rollback: go back to the last checkpoint with half the "
           "learning rate, at most three times")
      .one_of({"stop", "rollback"})
      .resume(ResumeRule::kFree);
}

void add_resuming(OptionTable& table, TrainingFlags& flags) {
  const auto needs_new_run = [&](const char* reason) {
    return [&flags, reason] { return flags.resume ? reason : ""; };
  };
  table.add("evaluate", &flags.evaluate, "evaluate the model and end")
      .letter('e')
      .needs(needs_new_run("cannot go with --resume"))
      .resume(ResumeRule::kCall);
  table
      .add("resume", &flags.resume,
           "continue from checkpoint.h5 in the folder of --out, with the options of that run")
      .resume(ResumeRule::kCall);
  table
      .add("override-resume", &flags.override_resume,
           "with --resume: names of options whose new values replace the run's")
      .value_name("NAME,...")
      .needs([&] { return flags.resume ? "" : "expected --resume too"; })
      .resume(ResumeRule::kCall);
  table
      .add("overwrite", &flags.overwrite,
           "begin anew in a folder that holds a run; the old run is removed once the new one has been saved; "
           "with "
           "--export-pth, write over an earlier export")
      .needs(needs_new_run("begins a run anew; it cannot go with --resume"))
      .resume(ResumeRule::kCall);
}

// How pictures of any size become images of one.
void add_folder(OptionTable& table, DataFlags& flags) {
  table
      .add("image-size", &flags.image_size,
           "side of the network's images, made from pictures of any size: a random part in training, the "
           "middle in evaluation")
      .range(8, 2048)
      .default_text(
          "from the file, else 224 for imagenet; imagefolder: the size of the pictures, which must be one")
      .resume(ResumeRule::kFixed);
  table.add("resize", &flags.resize, "pixels of a picture's shorter side before its middle is cut out")
      .range(8, 4096)
      .default_text("from the file, else 8/7 of --image-size")
      .resume(ResumeRule::kOverride);
  table
      .add("strict", &flags.is_strict,
           "a damaged picture in a folder is an error; else it is left out, named and counted")
      .resume(ResumeRule::kFree);
}

// What training images go through beside flips.
void add_augmentation(OptionTable& table, DataFlags& flags) {
  constexpr auto kOverride = ResumeRule::kOverride;
  table
      .add("crop-padding", &flags.crop_padding,
           "black pixels around training images before they are cropped to their size at random")
      .range(0, 256)
      .default_text("4")
      .needs([&] {
        const bool is_resized = flags.image_size.has_value() || flags.dataset == "imagenet";
        return is_resized ? "no effect where pictures are resized: random parts of them are taken" : "";
      })
      .resume(kOverride);
  table.add("cutout", &flags.cutout, "side of the square that is left out of each training image; 0: none")
      .range(0, 2048)
      .resume(kOverride);
  table
      .add("mixup", &flags.mixup,
           "blends training images and their labels in pairs, with weights from Beta(A, A); 0: does not")
      .value_name("A")
      .range(0, 100)
      .resume(kOverride);
  table
      .add("cutmix", &flags.cutmix,
           "pastes a part of another training image into each, its size from Beta(A, A); 0: does not; beside "
           "--mixup each batch has one of the two")
      .value_name("A")
      .range(0, 100)
      .resume(kOverride);
}

void add_normalization(OptionTable& table, DataFlags& flags) {
  table
      .add("normalize", &flags.normalize,
           "constants that images are normalized with: CIFAR's as published, or ImageNet's as torchvision's "
           "models "
           "have them")
      .one_of({"cifar", "imagenet"})
      .default_text("from the file, else that of the data set: cifar, or imagenet of --dataset imagenet")
      .resume(ResumeRule::kFixed);
  table.add("mean", &flags.mean, "means of red, green and blue that are subtracted, of values from 0 to 1")
      .value_name("R,G,B")
      .verify([&] { return are_numbers(flags.mean, -1e3) ? "" : "three numbers"; })
      .default_text("those of --normalize")
      .resume(ResumeRule::kFixed);
  table.add("std", &flags.std, "standard deviations of red, green and blue that are divided by")
      .value_name("R,G,B")
      .verify([&] { return are_numbers(flags.std, 1e-6) ? "" : "three numbers from 1e-6 on"; })
      .default_text("those of --normalize")
      .resume(ResumeRule::kFixed);
}

}  // namespace

std::vector<LayerRule> ModelFlags::layer_rules() const { return parse_layer_bits(layer_bits); }

void TrainingFlags::take_default_schedule(const OptionTable& table) {
  if (!phases.empty()) {
    return;
  }
  if (!rate_schedule) {
    rate_schedule = schedule.empty() && !table.find("gamma")->is_given() ? "cosine" : "step";
  }
  if (!schedule.empty() || rate_schedule != "step") {
    return;
  }
  for (const double part : schedule_parts) {
    const auto epoch = std::max<int64_t>(1, std::llround(part * static_cast<double>(epochs)));
    if (epoch < epochs && (schedule.empty() || schedule.back() < epoch)) {
      schedule.push_back(epoch);
    }
  }
  if (schedule.empty()) {
    schedule.push_back(std::max<int64_t>(epochs, 1));  // a run of one epoch has no place for a drop
  }
}

bool TrainingFlags::has_new_rate() const {
  const auto is_other = [this](const char* name) {
    return std::find(override_resume.begin(), override_resume.end(), name) != override_resume.end();
  };
  return resume && (is_other("lr") || is_other("phases"));
}

void take_older_rule(OptionTable& table, const TrainingFlags& flags) {
  auto* rule = table.find("step-rule");
  if (flags.resume && rule != nullptr && !rule->is_given()) {
    rule->set("published", OptionSource::kFile);
  }
}

std::function<std::string()> needs_training(const TrainingFlags& flags) {
  return [&flags] { return flags.evaluate ? "no effect with --evaluate, which trains nothing" : ""; };
}

void add_options(OptionTable& table, ModelFlags& flags) {
  table.section("Network");
  table.add("arch", &flags.arch, "architecture")
      .letter('a')
      .one_of(architectures())
      .value_name("NAME")
      .default_text("from the file, else resnet")
      .resume(ResumeRule::kFixed);
  table.add("act", &flags.act, "bit width of activations: 0 float, 1 to 3 PACT, 4 to 32 ReLU6")
      .range(0, 32)
      .default_text("the method's own, else from the file, else 4")
      .resume(ResumeRule::kFixed);
  table
      .add("layer-act", &flags.layer_act,
           "other bit widths of single activations, 'layer1.*=8,layer3.0.relu1=2'; of those that match an "
           "activation the last one counts")
      .value_name("PATTERN=BITS,...")
      .verify(
          [&] { return are_activation_rules(flags.layer_act) ? "" : "PATTERN=BITS,... with 0 to 32 bits"; })
      .default_text("from the file")
      .resume(ResumeRule::kFixed);
  table
      .add("act-range", &flags.act_range,
           "activation range in evaluation: running, tracked in training; batch, the maximum of the test "
           "batch, as published")
      .one_of({"running", "batch"})
      .default_text("from the file, else running")
      .resume(ResumeRule::kFixed);
  table.add("model", &flags.model, "model file: .h5, or PyTorch's .pth, .pth.tar, .th")
      .value_name("MODEL")
      .resume(ResumeRule::kFixed);
  table
      .add("rename", &flags.rename,
           "other names for a PyTorch file's tensors, as 'shortcut=downsample,linear=fc'; PATTERN is matched "
           "with "
           "whole parts of a name between dots, '*' stands for any text within a part")
      .value_name("PATTERN=NAME,...")
      .verify([&] {
        return are_renames(flags.rename) ? "" : "PATTERN=NAME,... with no more '*' in NAME than in PATTERN";
      })
      .needs([&] { return flags.model.empty() ? "needs --model FILE" : ""; })
      .resume(ResumeRule::kFixed);
  table
      .add("bits", &flags.bits,
           "bit width to which a float file is converted; with --bin or --dict the bit widths of that file "
           "count instead, as in published commands")
      .alias("Nbits")
      .range(1, 16)
      .default_text(std::to_string(flags.default_bits))
      .resume(ResumeRule::kFixed);
  table
      .add("layer-bits", &flags.layer_bits,
           "other bit widths of single layers of a float file, 'conv1=8,layer1.*=6'; of those that match a "
           "layer the last one counts")
      .value_name("PATTERN=BITS,...")
      .verify([&] { return are_rules(flags.layer_bits) ? "" : "PATTERN=BITS,... with 1 to 16 bits"; })
      .resume(ResumeRule::kFixed);
  table
      .add("keep-float", &flags.keep_float,
           "layers of a float file that get no bits: float in comp_stored, not in comp")
      .value_name("PATTERN,...")
      .resume(ResumeRule::kFixed);
}

void add_options(OptionTable& table, DataFlags& flags) {
  constexpr auto kOverride = ResumeRule::kOverride;
  table.section("Data");
  table.add("dataset", &flags.dataset, "data set")
      .letter('d')
      .one_of(dataset_names())
      .default_text("from the file, else cifar10")
      .resume(kOverride);
  table.add("data", &flags.folder, "folder of the data set")
      .value_name("FOLDER")
      .needs([&] {
        return flags.dataset == "synthetic" ? "synthetic images are built in and need no folder" : "";
      })
      .resume(ResumeRule::kFree);
  table.add("batch-size", &flags.train_batch, "images in a training batch")
      .alias("train-batch")
      .range(1, kMostBatch)
      .resume(kOverride);
  table.add("test-batch", &flags.test_batch, "images in a test batch").range(1, kMostBatch).resume(kOverride);
  table.add("workers", &flags.workers, "threads that make batches")
      .letter('j')
      .range(0, 256)
      .resume(ResumeRule::kFree);
  table.add("seed", &flags.seed, "seed of everything random")
      .alias("manualSeed")
      .range(0, kMany)
      .resume(kOverride);
  table
      .add("val-split", &flags.validation,
           "training images to hold out and to pick the best model on; 0: pick on the test set, as published")
      .range(0, kMany)
      .resume(kOverride);
  add_folder(table, flags);
  add_normalization(table, flags);
}

void add_options(OptionTable& table, RuntimeFlags& flags) {
  table.section("Machine");
  table.add("device", &flags.device, "device that computes")
      .one_of({"cpu", "cuda"})
      .resume(ResumeRule::kFree);
  table
      .add(
          "gpu-id", &flags.gpu_id,
          "number of the GPU, with --device cuda; with several ranks, that of the first rank on this machine")
      .range(0, 127)
      .needs([&] { return flags.device == "cuda" ? "" : "no effect without --device cuda"; })
      .resume(ResumeRule::kFree);
  table
      .add("threads", &flags.threads,
           "threads that compute; 0: all cores, divided among the ranks of this machine")
      .range(0, 1024)
      .resume(ResumeRule::kFree);
  table
      .add("precision", &flags.precision,
           "fp32, or bf16: activations and convolutions in bfloat16; planes, scales, norms stay float32")
      .one_of({"fp32", "bf16"})
      .resume(ResumeRule::kOverride);
}

// Beside a launcher that starts the processes itself, --ranks can only agree with it.
void add_rank_options(OptionTable& table, RuntimeFlags& flags) {
  constexpr double kMostLocalRanks = 256;
  table
      .add("ranks", &flags.ranks,
           "processes on this machine that train together, each with its part of every batch")
      .range(1, kMostLocalRanks)
      .needs([&flags] {
        const auto place = rank_place();
        return place && place->count != flags.ranks
                   ? "contradicts the launcher, which has started " + std::to_string(place->count)
                   : std::string();
      })
      .resume(ResumeRule::kFree);
  table
      .add("sync-norm", &flags.shares_statistics,
           "take statistics of norms and ranges of activations over the images of all ranks, as one process "
           "would")
      .needs([&flags] {
        return flags.ranks > 1 || rank_place() ? "" : "no effect without --ranks or a launcher of ranks";
      })
      .resume(ResumeRule::kOverride);
}

void add_options(OptionTable& table, TrainingFlags& flags) {
  table.section("Training");
  const size_t first = table.options().size();
  add_schedule(table, flags);
  add_loss(table, flags);
  add_saving(table, flags);
  for (size_t i = first; i < table.options().size(); ++i) {
    table.options()[i].needs(needs_training(flags));
  }
  table.add("bin", &flags.needs_bits, "the model file must hold bits").resume(ResumeRule::kFixed);
  add_resuming(table, flags);
}

void add_options(OptionTable& table, OutputFlags& flags) {
  table.section("Output");
  table.add("out", &flags.folder, "folder that it writes to")
      .alias("checkpoint")
      .letter('c')
      .value_name("FOLDER")
      .resume(ResumeRule::kFree);
}

void add_options(OptionTable& table, SessionFlags& flags) {
  add_options(table, flags.model);
  add_options(table, flags.training);
  table.section("Augmentation");
  const size_t first = table.options().size();
  add_augmentation(table, flags.data);
  for (size_t i = first; i < table.options().size(); ++i) {
    table.options()[i].needs(needs_training(flags.training));
  }
  add_options(table, flags.data);
  add_options(table, flags.runtime);
  add_rank_options(table, flags.runtime);
  add_options(table, flags.output);
  table.find("out")->needs(
      [&] { return flags.training.evaluate ? "no effect with --evaluate, which writes no folder" : ""; });
  table.find("bin")->needs(
      [&] { return flags.model.model.empty() && !flags.training.resume ? "needs --model FILE" : ""; });
  table.find("teacher")->needs([&] {
    return flags.training.teacher == "self" && flags.model.model.empty() && !flags.training.resume
               ? "self needs --model FILE"
               : "";
  });
  table.find("evaluate")->needs([&] { return flags.model.model.empty() ? "needs --model FILE" : ""; });
}

void add_export_option(OptionTable& table, std::string& file) {
  table
      .add("export-pth", &file,
           "write the model's weights as a PyTorch file too, with Nbit_dict where the model has bits")
      .value_name("FILE.pth")
      .resume(ResumeRule::kFree);
}

}  // namespace bsq::cli
