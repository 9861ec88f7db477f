#pragma once

#include <string>

#include "bsq/io/pytorch/pytorch_checkpoint.h"

namespace bsq {

/// Whether the name ends in ".safetensors".
bool is_safetensors_name(const std::string& path);

/// Whether a file starts like one: a length of a header that fits the file, and '{'.
bool is_safetensors_file(const std::string& path);

/// Reads a .safetensors file (Hugging Face): the length of the header in 8 bytes, a JSON header, the tensors'
/// bytes. Of the header's "__metadata__" the entries that write_safetensors makes are read, others are left.
/// The file is untrusted: every size in it is checked before it is used. Throws Error, one line that starts
/// with the path.
PyTorchCheckpoint read_safetensors(const std::string& path);

/// Writes one as a whole or not at all. Nbit_dict, epoch, accuracy and extras go into "__metadata__" as
/// texts. Throws std::invalid_argument for a tensor that such files cannot hold, Error where it cannot be
/// written.
void write_safetensors(const std::string& path, const PyTorchCheckpoint& checkpoint);

}  // namespace bsq
