#pragma once

#include <torch/types.h>

#include <map>
#include <string>

#include "bsq/base/ranks.h"
#include "bsq/nn/network.h"
#include "bsq/nn/stored_tensor.h"

namespace bsq {

/// Tensors by name.
using TensorMap = std::map<std::string, torch::Tensor>;

/// A whole run at one moment, as rank 0 has it.
struct SharedState {
  int64_t next_epoch = 0, next_step = 0;
  NetworkState network;
  TensorMap optimizer, method;
};
/// The state of rank 0, on every rank. Throws bsq::Error where `own` is at another epoch or step: the ranks
/// have not loaded the same checkpoint.
SharedState state_of_first(Ranks& ranks, const SharedState& own);

/// The text of rank `from`, on every rank.
std::string text_of_rank(Ranks& ranks, int64_t from, const std::string& text);

/// Whether all ranks have the same bits in every parameter and buffer, by a checksum of each.
bool have_same_bits(Ranks& ranks, Network& network);

/// Averages over the ranks what a network tracks: running statistics, ranges of activations. Every floating
/// buffer is averaged.
void average_tracked(Ranks& ranks, Network& network);

}  // namespace bsq
