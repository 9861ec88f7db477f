#pragma once

#include <string>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/network.h"
#include "bsq/nn/network_bits.h"

namespace bsq::cli {

/// A checkpoint, ours or PyTorch's, whose scheme is wanted. Throws bsq::Error where it holds no bits.
Checkpoint read_scheme_file(const std::string& path);
/// The widths that a file in bits gives its layers; 0 where no digit is left.
Scheme scheme_in(const Checkpoint& file);
/// Keeps those layers of a float network float that a file in bits has as float.
void keep_float_as_in(const Checkpoint& file, Network& network);

/// Throws bsq::Error where the folder that a file is to be exported to is missing, so that no run ends with
/// that.
void check_export_path(const std::string& path);
/// Writes what a network in bits or frozen computes with as float weights, with the widths as Nbit_dict, as a
/// PyTorch file. The network is unchanged. Throws bsq::Error.
void export_float_model(const std::string& path, Network& network, double top1);

/// The state of a network with every layer float, of the same values. The network is unchanged.
NetworkState float_state(Network& network);
/// The state of a frozen network with every layer's rounded digits, 0-bit layers at 0 bits. The network is
/// unchanged.
NetworkState binary_state(Network& network);

}  // namespace bsq::cli
