#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bsq {

/// Tensors by name, in file order.
using PyTorchTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// What our own exports hold beside what PyTorch's modules have (bsq/io/pytorch_model.h): the top-level
/// 'bsq', a dict of these three.
struct PyTorchExtras {
  std::string description;  ///< JSON text
  PyTorchTensors scales;    ///< of the tensors that have bits, under their names in the state dict
  PyTorchTensors state;     ///< such as ranges of activations
};

/// What we read from a PyTorch file and write to one.
struct PyTorchCheckpoint {
  /// The tensors in file order, contiguous, on the CPU, none sharing memory with another; their names are
  /// without the prefixes of PyTorch's wrappers.
  PyTorchTensors state;
  /// The top-level Nbit_dict: {layer: [bits, bits of the bias or 0]}, likewise.
  std::map<std::string, std::pair<int64_t, int64_t>> bits;
  bool has_bits = false;         ///< whether there is an Nbit_dict
  std::optional<int64_t> epoch;  ///< the top-level 'epoch'
  /// The top-level 'acc', else 'best_acc', 'best_acc1' or 'best_prec1', in percent as published.
  std::optional<double> accuracy;
  std::optional<PyTorchExtras> extras;
};

/// Takes the prefixes of PyTorch's wrappers ("module.", "_orig_mod.") off all names, where all tensors have
/// them.
void unwrap_names(PyTorchCheckpoint& checkpoint);

/// Whether a tensor may be stored under this name: 1 to 256 bytes, none of them a control character.
bool is_state_key(const std::string& name);

}  // namespace bsq
