#pragma once

#include "bsq/io/checkpoint/checkpoint_network.h"
#include "bsq/io/hdf5/hdf5_handle.h"
#include "bsq/train/training_state.h"

namespace bsq {

/// The group "training" of a checkpoint, as checkpoints/README.md describes it. Writing throws
/// std::invalid_argument for a state that breaks its contract (a row of the history without one value a
/// column), reading bsq::Error.
void write_training(const Hdf5Handle& file, const TrainingState& state);
TrainingState read_training(const Hdf5Handle& file, ReadBudget& budget, int64_t version);

}  // namespace bsq
