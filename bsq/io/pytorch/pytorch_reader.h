#pragma once

#include <string>

#include "bsq/io/pytorch/pytorch_checkpoint.h"

namespace bsq {

/// Reads a .pth, .pth.tar, .th or .pt file: zip archives (PyTorch >= 1.6), the pickle streams before them and
/// the tar archives before 0.1.10.
///
/// The state dict is the top-level entry 'state_dict', else 'model_state_dict', 'model', 'net',
/// 'state_dict_ema' or 'model_ema', else the top level itself. Entries that are not tensors are left out; an
/// object in a state dict that is not made here, such as a sparse tensor, is an error. Prefixes of PyTorch's
/// wrappers that all names have ("module.", "_orig_mod.") are taken off. The file is untrusted: it cannot run
/// code, and every size in it is checked before it is used. Throws Error, one line that starts with the path,
/// for whatever is not as it has to be.
PyTorchCheckpoint read_pytorch(const std::string& path);

/// Whether a file starts like one that read_pytorch reads. A file that cannot be opened does not.
bool is_pytorch_file(const std::string& path);

}  // namespace bsq
