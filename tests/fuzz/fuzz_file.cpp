#include "tests/fuzz/fuzz_file.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace bsq::fuzz {
namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

}  // namespace

FuzzFile::FuzzFile() {
  const std::string memory = "/dev/shm";
  path_ = (access(memory.c_str(), W_OK) == 0 ? memory : "/tmp") + "/bsq-fuzz-XXXXXX";
  descriptor_ = mkstemp(path_.data());
  if (descriptor_ < 0) {
    give_up("no temporary file");
  }
}

FuzzFile::~FuzzFile() {
  close(descriptor_);
  unlink(path_.c_str());
}

void FuzzFile::fill(const uint8_t* data, size_t bytes) const {
  if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, data, bytes, 0) != static_cast<ssize_t>(bytes)) {
    give_up("the temporary file cannot be written");
  }
}

void require_one_line(const std::string& message) {
  if (message.empty() || message.find('\n') != std::string::npos) {
    std::fprintf(stderr, "fuzz: not one line: '%s'\n", message.c_str());
    std::abort();
  }
}

}  // namespace bsq::fuzz
