#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bsq/nn/stored_tensor.h"

namespace bsq {

/// One line of a run's history: what log.txt shows of an epoch, in the order of the columns of that run.
using EpochRecord = std::vector<double>;

/// Everything that a run needs to go on as if it had not been interrupted. The data order and
/// augmentation need no state: they follow from the seed, the epoch and the position.
struct TrainingState {
  int64_t next_epoch = 0;  ///< the epoch to train next, counted from 0
  int64_t next_step = 0;   ///< the batch of that epoch to train next
  double learning_rate = 0;
  double rate_factor = 1;  ///< on top of the schedule: halved by every --on-nan rollback
  double best_top1 = -1;   ///< percent; -1: no epoch is done yet
  int64_t best_epoch = -1;
  int64_t ranks = 1;  ///< that trained it last; with another number the run goes on, in other bits
  std::vector<std::string> columns;                ///< names of the history's columns
  std::vector<EpochRecord> history;                ///< finished epochs
  std::map<std::string, torch::Tensor> optimizer;  ///< momentum buffers by parameter name
  std::map<std::string, torch::Tensor> method;     ///< the method's own state
  std::map<std::string, double> sums;              ///< running sums of an unfinished epoch
  /// generator_states(), for networks that draw random numbers; may lack any.
  std::map<std::string, torch::Tensor> generators;
  NetworkState
      network;  ///< the network before the final re-quantization; empty: the same as the file's network
};

}  // namespace bsq
