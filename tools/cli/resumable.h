#pragma once

#include <string>

#include "bsq/io/checkpoint/checkpoint.h"

namespace bsq::cli {

/// What a run can go on from.
struct Resumable {
  Checkpoint file;
  std::string path;
  std::string note;  ///< why it is not checkpoint.h5; "" where it is
};

/// Whether the folder holds a checkpoint.h5 or checkpoint.prev.h5, good or damaged.
bool holds_state(const std::string& folder);

/// Reads FOLDER/checkpoint.h5 or, where that is missing or damaged, FOLDER/checkpoint.prev.h5. Throws the
/// bsq::Error of the former where neither can be read.
Resumable read_resumable(const std::string& folder, FileOrigin origin = FileOrigin::kAnybody);

/// The same for training: the network is that before the final adjustment where the run had ended. Throws
/// bsq::Error where the file holds no training state.
Resumable read_interrupted(const std::string& folder);

}  // namespace bsq::cli
