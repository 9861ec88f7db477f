#include "bsq/base/error.h"
#include "bsq/io/pytorch_model.h"
#include "bsq/io/safetensors.h"
#include "tests/fuzz/fuzz_file.h"

// Any .safetensors file, and the network that is made of it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static const bsq::fuzz::FuzzFile file;
  file.fill(data, bytes);
  bsq::is_safetensors_file(file.path());
  try {
    bsq::import_pytorch(bsq::read_safetensors(file.path()));
  } catch (const bsq::Error& error) {
    bsq::fuzz::require_one_line(error.what());
  }
  return 0;
}
