#pragma once

#include <string>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/network.h"

namespace bsq::cli {

/// A checkpoint, ours or PyTorch's, whose scheme is wanted. Throws bsq::Error where it holds no bits.
Checkpoint read_scheme_file(const std::string& path);
/// Writes what a network computes with as float weights beside its bit widths, scales and ranges: a PyTorch
/// file or, where the name ends so, a .safetensors file. `origin` says method, data set and epoch. The
/// network is unchanged. Throws bsq::Error.
void export_model(const std::string& path, Network& network, Checkpoint origin, double top1);

}  // namespace bsq::cli
