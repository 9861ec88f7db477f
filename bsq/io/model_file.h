#pragma once

#include <string>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/pytorch/pytorch_checkpoint.h"

namespace bsq {

/// A model that a user names, from whichever kind of file.
struct ModelFile {
  Checkpoint checkpoint;
  /// Whether the file says what network it is; PyTorch files hold tensors only, so description is the default
  /// there.
  bool has_description = false;
};

/// Reads our .h5 files and PyTorch files, told apart by their first bytes. Throws bsq::Error.
ModelFile read_model(const std::string& path);

/// The tensors of a PyTorch file as a network's state: published bit checkpoints (`L.pweight`, `L.nweight`,
/// bit on the last axis, `L.scale`, `L.pbias`, `L.nbias`, `L.biasscale`), published finetuned ones
/// (`L.weight` is q, `L.scale`, widths in Nbit_dict; a fully connected layer that has lost its bias gets one
/// of 0 bits), or float. Throws bsq::Error.
Checkpoint import_pytorch(const PyTorchCheckpoint& file);

/// A float network's state as PyTorch has it: without activation ranges, which are ours alone; with the
/// widths of `scheme` as Nbit_dict unless it is empty.
PyTorchCheckpoint export_pytorch(const NetworkState& float_network,
                                 const std::map<std::string, std::pair<int64_t, int64_t>>& scheme);

}  // namespace bsq
