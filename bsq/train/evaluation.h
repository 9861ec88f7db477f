#pragma once

#include <cstdint>

#include "bsq/data/loader.h"
#include "bsq/nn/network.h"

namespace bsq {

struct Evaluation {
  double loss = 0;      ///< mean cross entropy
  int64_t correct = 0;  ///< images whose largest logit is the label's
  int64_t images = 0;
  double top1() const {
    return images == 0 ? 0.0 : 100.0 * static_cast<double>(correct) / static_cast<double>(images);
  }
};

/// Where its parameters are.
torch::Device device_of(Network& network);

/// Evaluates in eval mode, without gradients; leaves the network in the mode it was in. Where the loader
/// shares batches out among current_ranks(), the result is that of all batches, added in their order: to the
/// bit that of one process.
Evaluation evaluate(Network& network, BatchLoader& loader);

/// Whether evaluation needs activation ranges that the network does not have.
bool needs_calibration(Network& network);
/// Sets every activation's range to the mean of the maxima over the first `batches` batches, in eval mode. A
/// last batch that is shorter than the others is left out. Of several ranks each does all of it, on whole
/// batches.
void calibrate(Network& network, BatchLoader& loader, int64_t batches);

/// Replaces the running statistics of batch norm and the ranges of activations by their averages over the
/// first `batches` of a training epoch, in training mode, with the weights as they are. What training tracks
/// follows the weights late. Training itself reads neither. A last batch that is shorter than the others is
/// left out. Of several ranks each takes its own images, and the results are averaged.
void reestimate_statistics(Network& network, BatchLoader& loader, int64_t epoch, int64_t batches);

}  // namespace bsq
