#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "bsq/data/dataset.h"
#include "bsq/data/loader.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/network.h"
#include "bsq/train/evaluation.h"
#include "bsq/train/ranks/rank_place.h"
#include "tools/cli/flags.h"

namespace bsq::cli {

/// Images and the loaders that every tool makes of them.
struct Data {
  std::string dataset;
  DataRecord record;
  std::vector<std::string> lines;  ///< for the user: how many images there are, what was left out
  ImageSize image;                 ///< of every image
  int64_t classes() const { return static_cast<int64_t>(record.class_names.size()); }
  std::unique_ptr<BatchLoader> training;     ///< shuffled and augmented
  std::unique_ptr<BatchLoader> calibration;  ///< the same images, in order, as they are
  std::unique_ptr<BatchLoader> validation;   ///< the held-out images, or the test set where none are
  std::unique_ptr<BatchLoader> test;
  /// Where images are decoded when a batch is made: their files.
  std::vector<std::shared_ptr<const FileImages>> files;
};

/// A network on its device and what its file said.
struct Model {
  std::shared_ptr<Network> network;
  /// All but the tensors; default values without a file.
  Checkpoint origin;
};

/// Threads, seed and device; of a rank with its part of the machine's cores and a GPU of its own. Throws
/// UsageError where there is no such device.
torch::Device set_up_runtime(const RuntimeFlags& flags, uint64_t seed,
                             const std::optional<RankPlace>& place = std::nullopt);

/// Reads --model, or gives nothing where none is named. Throws bsq::Error.
std::optional<Checkpoint> read_named_model(const ModelFlags& flags);

/// Loads the images that the flags name or, where they do not, those that the model was trained on, prepared
/// as for the model. Throws UsageError where a flag
/// contradicts the file or batches are too small for current_ranks(), bsq::Error for images that cannot be
/// read, for other classes than the file's and, where a run goes on, for another number of images.
Data load_data(const DataFlags& flags, const RuntimeFlags& runtime, const std::optional<Checkpoint>& file);

/// Prints its lines on stdout.
void print_data(const Data& data);

/// Names on stderr the damaged files that batches met since the last call.
void report_damage(const Data& data);

/// What a method makes of a float network's description (Method::adapted()).
using Adaptation = std::function<NetworkDescription(const NetworkDescription&)>;

/// Builds the network that flags and file describe, for the classes and the size of these images, and fills
/// it from the file. A float network gets the activations and norms that `adapt` wants. Throws UsageError
/// where a flag contradicts the file or does not fit the network, bsq::Error where the file does not fit.
Model make_model(const ModelFlags& flags, const std::optional<Checkpoint>& file, const Data& data,
                 torch::Device device, const Adaptation& adapt = nullptr);

/// Where the network lacks activation ranges, calibrates them on training batches and says so.
void calibrate_if_needed(Network& network, Data& data, std::ostream& out);

/// evaluate(), for an output that people read. Throws bsq::Error where the loss is not finite: the model's
/// numbers mean nothing then.
Evaluation evaluate_finite(Network& network, BatchLoader& loader);

/// "top-1 91.10 %, loss 0.2973 (911 of 1000)".
std::string text_of(const Evaluation& evaluation);

}  // namespace bsq::cli
