#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/quant/accounting.h"

namespace bsq {

/// What a run that ended, was stopped or goes on says of itself. One that was killed still says `running`;
/// its folder's lock (run.lock) is free then.
enum class RunStatus { kRunning, kStopped, kDone };

/// A model of a run and how good it is.
struct ModelResult {
  std::string file;            ///< in the run's folder; "": there is none
  int64_t epoch = -1;          ///< the last one that it was trained in; -1: none
  double top1 = std::nan("");  ///< percent; NaN: not evaluated
  double loss = std::nan("");  ///< cross entropy
  /// The images: "test" or "validation"; "": unknown. Of the model to use those on which its epoch was
  /// picked; "": it is that of the last epoch, or an older program wrote the summary.
  std::string split;
};

/// A tensor that stays float and has more than one dimension.
struct FloatTensor {
  std::string name;
  std::vector<int64_t> shape;
  int64_t elements() const;
};

/// What every run writes into its folder as summary.json: all that other programs need to know of it without
/// opening a model. Tensors and sizes are those of the model to use, `kept`.
struct RunSummary {
  std::string program;                         ///< bsq_train, finetune or convert
  std::string method;                          ///< float, bsq, frozen, ...
  std::string architecture;                    ///< "": unknown
  std::map<std::string, std::string> options;  ///< of the architecture
  int64_t activation_bits = 0;
  std::string dataset;  ///< "": unknown
  RunStatus status = RunStatus::kDone;
  int64_t epochs = 0;  ///< planned; 0: the program trains none
  int64_t epochs_done = 0;
  double seconds = 0;                                   ///< of training
  std::vector<std::pair<std::string, double>> metrics;  ///< of the last epoch, as log.txt names them
  std::string started_from;                             ///< the model file; "": none
  ModelResult start, best, final, kept;
  std::vector<TensorBits> tensors;  ///< that hold bits
  std::vector<FloatTensor> floats;
  int64_t float_elements = 0;                   ///< all numbers that stay float, those of `floats` too
  std::optional<int64_t> macs, bit_operations;  ///< of one image
  std::map<std::string, std::string> versions;  ///< of this toolkit and the libraries below it
  std::string host;
  int64_t threads = 0;               ///< of each rank
  int64_t ranks = 1;                 ///< processes that train together
  std::string precision;             ///< fp32 or bf16
  std::vector<std::string> command;  ///< the command line, the program first

  Sizes sizes() const { return count_sizes(tensors, float_elements); }
  /// A metric of the last epoch by its name; NaN where there is none.
  double metric(const std::string& name) const;
};

/// The name of the file in a run's folder.
constexpr const char* kSummaryFile = "summary.json";

std::string summary_text(const RunSummary& summary);
/// Reads it back; nothing in the text is trusted. Throws bsq::Error that begins with `from`.
RunSummary parse_summary(const std::string& text, const std::string& from);
/// Reads FOLDER/summary.json. Throws bsq::Error.
RunSummary read_summary(const std::string& folder);
/// Whether the folder has one, good or damaged.
bool has_summary(const std::string& folder);

/// Takes architecture, data set, tensors and sizes from a model.
void take_model(RunSummary& summary, const Checkpoint& model);
/// Takes progress, seconds, the last epoch's metrics and the best epoch from a state. The best model's file
/// is left to the caller.
void take_training(RunSummary& summary, const TrainingState& state);

}  // namespace bsq
