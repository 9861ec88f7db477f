#pragma once

#include <string>

#include "bsq/io/checkpoint/checkpoint.h"

namespace bsq {

/// A model that a user names, from whichever kind of file.
struct ModelFile {
  Checkpoint checkpoint;
  /// Whether the file says what network it is; PyTorch files that we have not written hold tensors only, so
  /// description is the default there.
  bool has_description = false;
};

/// Reads our .h5 files, PyTorch files and .safetensors files, told apart by their first bytes. Throws
/// bsq::Error.
ModelFile read_model(const std::string& path);

/// The same for a look at the tensors: those of a PyTorch or .safetensors file that make no network are given
/// as they are, and `fault` says why. Throws bsq::Error for a file that cannot be read at all.
ModelFile read_model_or_tensors(const std::string& path, std::string& fault);

}  // namespace bsq
