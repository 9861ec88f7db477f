#include "tools/cli/record.h"

#include <cerrno>
#include <cstring>
#include <iostream>

namespace bsq::cli {
namespace {

bool is_complete = true;

}  // namespace

void check_record() {
  const bool was_good = std::cout.good();  // a line on stderr flushes stdout too
  std::cout.clear();
  errno = 0;
  if (std::cout.flush() && was_good) {
    return;
  }
  const int error = errno;
  std::cout.clear();
  if (is_complete) {
    std::cerr << "stdout: cannot be written"
              << (error == 0 ? "" : std::string(" (") + std::strerror(error) + ")") << std::endl;
  }
  is_complete = false;
}

bool is_record_complete() { return is_complete; }

}  // namespace bsq::cli
