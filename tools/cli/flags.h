#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bsq/base/options.h"
#include "bsq/nn/layer_rules.h"

namespace bsq {
class Architecture;
}

namespace bsq::cli {

/// Which network, from which file. What is not given comes from the file, else from NetworkDescription's
/// defaults.
struct ModelFlags {
  std::optional<std::string> arch;
  std::optional<int64_t> act;
  /// What a float file's activations get where `act` is not given. Nothing: as the file has it.
  std::optional<int64_t> default_act;
  std::vector<std::string> layer_act;  ///< "PATTERN=BITS"
  std::optional<std::string> act_range;
  std::map<std::string, std::string> network;  ///< those options of the architecture that are given
  std::string model;
  std::optional<int64_t> bits;
  int64_t default_bits = 4;             ///< as published; bsq_train has 8
  bool bits_by_call = false;            ///< whether the command line itself gives --bits
  std::vector<std::string> layer_bits;  ///< "PATTERN=BITS"
  std::vector<std::string> keep_float;
  std::vector<std::string> rename;  ///< "PATTERN=NAME"

  /// Architectures whose options a table holds.
  std::vector<std::shared_ptr<Architecture>> architectures;

  /// The bit width that a float file is converted at: --bits, else the program's own.
  int64_t bit_width() const { return bits.value_or(default_bits); }
  /// layer_bits as rules.
  std::vector<LayerRule> layer_rules() const;
  /// Whether --layer-bits or --keep-float is given.
  bool names_layers() const { return !layer_bits.empty() || !keep_float.empty(); }
};

/// Which images, in what batches.
struct DataFlags {
  std::optional<std::string> dataset;
  std::string folder = "data";
  int64_t train_batch = 128;
  int64_t test_batch = 100;
  int64_t workers = 4;
  uint64_t seed = 1234;
  int64_t validation = 0;
  std::optional<std::string> normalize;       ///< "cifar" or "imagenet"
  std::vector<std::string> mean, std;         ///< three numbers each, or none
  std::optional<int64_t> image_size, resize;  ///< of pictures in folders
  bool is_strict = false;                     ///< whether a damaged picture is an error
  std::optional<int64_t> crop_padding;        ///< of training images in memory
  int64_t cutout = 0;
  double mixup = 0, cutmix = 0;
  bool is_resumed = false;  ///< whether a run goes on: it must have the same images
};

/// Where it runs.
struct RuntimeFlags {
  std::string device = "cpu";
  int64_t gpu_id = 0;
  int64_t threads = 0;             ///< 0: all cores, divided among the ranks of this machine
  std::string precision = "fp32";  ///< or bf16: of images, activations and convolutions
  int64_t ranks = 1;               ///< processes that train together
  bool shares_statistics = false;  ///< --sync-norm
};

/// How it trains: what bsq_train and finetune share.
struct TrainingFlags {
  int64_t epochs = 0;
  int64_t start_epoch = 0;
  double learning_rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  std::vector<int64_t> schedule;  ///< empty until take_default_schedule()
  /// Where the learning rate drops by default, as parts of the epochs: 150 and 225 of 350, as published.
  std::vector<double> schedule_parts = {3.0 / 7, 9.0 / 14};
  double gamma = 0.1;
  std::vector<std::string> phases;  ///< "BEGIN:NAME=VALUE" (bsq/train/phases.h)
  std::string teacher;              ///< a model file, "self" for the one of --model; "": none
  double teacher_weight = 0.5, temperature = 4;
  std::optional<double> label_weight;  ///< nothing: 1 - teacher_weight
  double label_smoothing = 0;
  double average_decay = 0;                  ///< --ema; 0: none
  std::optional<std::string> rate_schedule;  ///< "step", "cosine" or "linear"
  bool needs_bits = false;
  bool evaluate = false;
  bool resume = false;
  std::vector<std::string> override_resume;
  bool overwrite = false;
  bool tensorboard = false;
  bool snapshots = false;        ///< bsq_train: keep the network of each adjustment
  int64_t reestimate = 10;       ///< training batches before each evaluation
  int64_t checkpoint_steps = 0;  ///< 0: save after epochs only
  std::string on_nan = "stop";   ///< or "rollback"

  /// Fills the kind of schedule that nobody gave, by what `table` was given: step beside --schedule or
  /// --gamma, else cosine; and the epochs of a step schedule. Those at or beyond the last epoch are left out.
  /// With phases there is nothing to fill.
  void take_default_schedule(const OptionTable& table);

  /// Whether a resumed run takes another learning rate, which begins without rollbacks.
  bool has_new_rate() const;
  /// The file of --teacher; "": none, or the one of --model.
  std::string teacher_file() const { return teacher == "self" ? "" : teacher; }
};

/// The output folder, and all options as INI text that --config reads again.
struct OutputFlags {
  std::string folder;
  std::string configuration;
};

/// All of them: what bsq_train and finetune share.
struct SessionFlags {
  ModelFlags model;
  DataFlags data;
  RuntimeFlags runtime;
  TrainingFlags training;
  OutputFlags output;
};

/// Each adds the options that fill these flags; the values that the flags have are the defaults. The flags
/// have to outlive the table.
void add_options(OptionTable& table, ModelFlags& flags);
void add_options(OptionTable& table, DataFlags& flags);
void add_options(OptionTable& table, RuntimeFlags& flags);
/// --ranks and --sync-norm, of what trains.
void add_rank_options(OptionTable& table, RuntimeFlags& flags);
void add_options(OptionTable& table, TrainingFlags& flags);
void add_options(OptionTable& table, OutputFlags& flags);
/// All of them, in the order of the help. What has no effect with --evaluate is refused beside it.
void add_options(OptionTable& table, SessionFlags& flags);

/// A run from before --step-rule existed goes on as it began: by the published rule.
void take_older_rule(OptionTable& table, const TrainingFlags& flags);

/// A reason for Option::needs(): training alone heeds the option.
std::function<std::string()> needs_training(const TrainingFlags& flags);
/// --export-pth of convert and finetune.
void add_export_option(OptionTable& table, std::string& file);

}  // namespace bsq::cli
