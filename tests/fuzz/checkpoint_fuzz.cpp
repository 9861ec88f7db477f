#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/network_state.h"
#include "tests/fuzz/fuzz_file.h"

// An .h5 checkpoint without a seal, as h5py users make them: nothing keeps it from HDF5, the reader and the
// weights that it is read into.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static const bsq::fuzz::FuzzFile file;
  file.fill(data, bytes);
  bsq::register_methods();
  try {
    bsq::codes_of(bsq::read_checkpoint(file.path()).network);
  } catch (const bsq::Error& error) {
    bsq::fuzz::require_one_line(error.what());
  }
  return 0;
}
