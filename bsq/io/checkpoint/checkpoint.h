#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "bsq/data/data_record.h"
#include "bsq/nn/network_description.h"
#include "bsq/nn/stored_tensor.h"
#include "bsq/train/training_state.h"

namespace bsq {

/// A network, what it is and how good, and where it comes from a training run that can go on, that run's
/// state. checkpoints/README.md describes the HDF5 file that holds it.
struct Checkpoint {
  std::string method = "float";  ///< the method that gave it its form (bsq/methods); "float": no bits
  NetworkDescription description;
  std::string dataset;                ///< the data set it was trained on, "" if unknown
  DataRecord data;                    ///< its classes, sizes and normalization
  double top1 = std::nan("");         ///< percent, of `network` on the evaluation split; NaN: not evaluated
  int64_t epoch = -1;                 ///< last finished epoch; -1: none
  double comp = std::nan("");         ///< 32 * weights / bits_total; NaN: unknown
  double comp_stored = std::nan("");  ///< float32 bits of everything / bits that the file needs; NaN: unknown
  std::string configuration;          ///< the run's full configuration, INI text, at most 1 MiB
  /// How the network computes (program_text()); "": unknown. At most 1 MiB; a longer one is not written.
  std::string program;
  NetworkState network;                   ///< every tensor, in the network's own order
  std::optional<TrainingState> training;  ///< only in files that a run can be resumed from
};

/// Who has written a file: a run of ours, in whose locked folder it lies, or anybody.
enum class FileOrigin { kOwnRun, kAnybody };

/// Reads a checkpoint of version 1 or 2; nothing in the file is trusted. A seal (bsq/io/seal.h) is compared
/// with the content before HDF5 sees it; unless it is a sealed one of an own run, a child process reads the
/// file first. Throws bsq::Error for whatever is wrong with the file, and nothing else.
Checkpoint read_checkpoint(const std::string& path, FileOrigin origin = FileOrigin::kAnybody);

/// Writes a checkpoint as a whole or not at all (write_atomically), sealed and read back. The file that was
/// at `path` keeps the name `previous` unless that is "" or the file is damaged. Throws bsq::Error for
/// trouble with the file and for a scale that is not finite, std::invalid_argument for a checkpoint that
/// breaks the contracts of its parts.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint,
                      const std::string& previous = "");

/// Whether the path is a regular file that starts as HDF5 files do; false for what cannot be read.
bool is_hdf5_file(const std::string& path);

}  // namespace bsq
