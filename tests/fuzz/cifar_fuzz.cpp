#include <filesystem>
#include <fstream>

#include "bsq/base/error.h"
#include "bsq/data/cifar.h"
#include "tests/fuzz/fuzz_file.h"

namespace {

namespace fs = std::filesystem;

// A folder whose training and test files are all one file.
fs::path make_folder(const bsq::fuzz::FuzzFile& file) {
  std::string name = (fs::temp_directory_path() / "bsq-fuzz-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    std::abort();
  }
  for (const char* link : {"data_batch_1.bin", "test_batch.bin", "train.bin", "test.bin"}) {
    fs::create_symlink(file.path(), fs::path(name) / link);
  }
  return name;
}

}  // namespace

// CIFAR-10's and CIFAR-100's records.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static const bsq::fuzz::FuzzFile file;
  static const fs::path folder = make_folder(file);
  file.fill(data, bytes);
  for (const auto load : {&bsq::load_cifar10, &bsq::load_cifar100}) {
    try {
      load(folder.string());
    } catch (const bsq::Error& error) {
      bsq::fuzz::require_one_line(error.what());
    }
  }
  return 0;
}
