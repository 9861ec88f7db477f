#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bsq {

/// What we read from a PyTorch file and write to one.
struct PyTorchCheckpoint {
  /// The tensors in file order, contiguous, on the CPU, none sharing memory with another; no key starts with
  /// "module.".
  std::vector<std::pair<std::string, torch::Tensor>> state;
  /// The top-level Nbit_dict: {layer: [bits, bits of the bias or 0]}, no key starts with "module.".
  std::map<std::string, std::pair<int64_t, int64_t>> bits;
  bool has_bits = false;           ///< whether there is an Nbit_dict
  std::optional<int64_t> epoch;    ///< the top-level 'epoch'
  std::optional<double> accuracy;  ///< the top-level 'acc', else 'best_acc', in percent as published
};

/// Whether a tensor may be stored under this name: 1 to 256 bytes, none of them a control character.
bool is_state_key(const std::string& name);

}  // namespace bsq
