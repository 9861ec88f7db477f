#pragma once

#include <string>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/network.h"

namespace bsq::cli {

/// A checkpoint, ours or PyTorch's, whose scheme is wanted. Throws bsq::Error where it holds no bits.
Checkpoint read_scheme_file(const std::string& path);
/// Throws bsq::Error where the folder that a file is to be exported to is missing, so that no run ends with
/// that.
void check_export_path(const std::string& path);
/// Writes what a network computes with as float weights, with the bit widths as Nbit_dict, as a PyTorch file. The network is unchanged. Throws bsq::Error.
void export_float_model(const std::string& path, Network& network, double top1);

}  // namespace bsq::cli
