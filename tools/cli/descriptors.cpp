#include "tools/cli/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace bsq::cli {

void open_closed_descriptors() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) == -1 && errno == EBADF) {
      static_cast<void>(open("/dev/null", O_RDWR));  // the lowest number that is free: this one
    }
  }
}

}  // namespace bsq::cli
