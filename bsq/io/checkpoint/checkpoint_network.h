#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bsq/io/hdf5/hdf5_handle.h"
#include "bsq/io/hdf5/hdf5_tensor.h"
#include "bsq/nn/stored_tensor.h"

namespace bsq {

/// What is left of the room a file may ask for while it is read, so that a small file cannot claim a lot of
/// memory.
class ReadBudget {
 public:
  explicit ReadBudget(int64_t file_bytes);

  /// Bytes of a dataset; all datasets together are at most the file. Throws bsq::Error.
  void take_stored(const Hdf5Handle& object, int64_t bytes);
  /// Bytes of unpacked digits; all together at most 64 times the file and 64 MiB, and 4 GiB. Throws
  /// bsq::Error.
  void take_unpacked(const Hdf5Handle& object, int64_t bytes);

 private:
  int64_t stored_;
  int64_t unpacked_;
};

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// A group of plain tensors under their names, in order.
void write_tensors(const Hdf5Handle& parent, const std::string& name, const NamedTensors& tensors);
NamedTensors read_tensors(const Hdf5Handle& parent, const std::string& name, ReadBudget& budget);

/// A group of a network's tensors, as checkpoints/README.md describes it. Writing throws
/// std::invalid_argument where an entry breaks the contract of StoredTensor, and bsq::Error for a scale that
/// is not finite.
void write_network(const Hdf5Handle& parent, const std::string& name, const NetworkState& network);
/// `version`: of the file. Entries of version 1 still have to be upgraded (checkpoint_v1.h).
NetworkState read_network(const Hdf5Handle& parent, const std::string& name, ReadBudget& budget,
                          int64_t version);

}  // namespace bsq
