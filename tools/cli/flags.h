#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bsq/nn/to_bits.h"

namespace bsq::cli {

/// Which network, from which file. What is not given comes from the file, else from NetworkDescription's
/// defaults.
struct ModelFlags {
  std::optional<std::string> arch;
  std::optional<int64_t> depth;
  std::optional<std::string> block_name;
  std::optional<int64_t> act;
  std::optional<std::string> act_range;
  bool quantize_shortcut = false;
  std::string model;
  int64_t bits = 4;
  bool names_bits = false;  ///< whether --Nbits was given
  std::vector<LayerRule> layer_bits;
  std::vector<std::string> keep_float;
  /// Whether layers are told apart.
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
};

/// Where it runs.
struct RuntimeFlags {
  std::string device = "cpu";
  int64_t gpu_id = 0;
  int64_t threads = 0;             ///< 0: all cores
  std::string precision = "fp32";  ///< or bf16: of images, activations and convolutions
};

/// How it trains: what bsq_train and finetune share.
struct TrainingFlags {
  int64_t epochs = 0;
  int64_t start_epoch = 0;
  double learning_rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  std::vector<int64_t> schedule = {150, 225};
  double gamma = 0.1;
  bool needs_bits = false;
  bool evaluate = false;
  bool resume = false;
  bool has_new_rate = false;  ///< --resume with another learning rate, which begins without rollbacks
  bool overwrite = false;
  bool tensorboard = false;
  int64_t checkpoint_steps = 0;  ///< 0: save after epochs only
  std::string on_nan = "stop";   ///< or "rollback"
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

}  // namespace bsq::cli
