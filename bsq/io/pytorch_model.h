#pragma once

#include <set>
#include <string>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/pytorch/pytorch_checkpoint.h"

namespace bsq {

/// The tensors of a PyTorch file as a network's state: published bit checkpoints (`L.pweight`, `L.nweight`,
/// bit on the last axis, `L.scale`, `L.pbias`, `L.nbias`, `L.biasscale`), published finetuned ones
/// (`L.weight` is q, `L.scale`, bit widths in Nbit_dict; a fully connected layer that has lost its bias gets
/// one of 0 bits), our own exports with their bits, ranges and description, or float. Throws bsq::Error,
/// which names the tensor, for a tensor with a scale whose bit width the file does not say, and for parts
/// that do not belong together.
Checkpoint import_pytorch(const PyTorchCheckpoint& file);

/// A network as PyTorch has it: the values that the codes stand for as float weights, the bit widths as
/// Nbit_dict. What PyTorch's modules do not have goes beside them: scales, and the tensors of `own_names`
/// (bsq/nn/network_state.h). import_pytorch gives the same checkpoint back. Throws std::invalid_argument for
/// a network that holds planes or master weights, not codes.
PyTorchCheckpoint export_pytorch(const Checkpoint& checkpoint, const std::set<std::string>& own_names);

}  // namespace bsq
