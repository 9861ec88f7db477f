#include "tests/fuzz/hdf5_checksums.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t bytes, size_t most);

// Half of the inputs have the right checksums, as those of somebody who means harm do.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t bytes, size_t most, unsigned seed) {
  const size_t mutated = LLVMFuzzerMutate(data, bytes, most);
  if (seed % 2 == 0) {
    bsq::fuzz::repair_hdf5_checksums(data, mutated);
  }
  return mutated;
}
