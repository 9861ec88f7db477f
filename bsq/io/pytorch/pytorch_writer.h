#pragma once

#include <string>

#include "bsq/io/pytorch/pytorch_checkpoint.h"

namespace bsq {

/// Writes {'state_dict': OrderedDict of tensors, 'epoch', 'acc', 'Nbit_dict'} as a zip archive that Python's
/// torch.load reads, with weights_only=True too, from PyTorch 1.13 on. What the checkpoint lacks is left out.
///
/// 'acc' is a float64 tensor without dimensions, because PyTorch 1.13's restricted unpickler knows no Python
/// floats. The same checkpoint always gives the same bytes. Written to a temporary file in the same folder,
/// fsynced, renamed: the previous file stays until then. Throws std::invalid_argument for tensors or names
/// that cannot be written, Error if the file cannot be.
void write_pytorch(const std::string& path, const PyTorchCheckpoint& checkpoint);

}  // namespace bsq
