#include "bsq/io/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bsq/base/error.h"

namespace bsq {
namespace {

class OpenText {
 public:
  // Without O_NONBLOCK a pipe that nobody writes to would be waited for.
  explicit OpenText(const std::string& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) {}
  ~OpenText() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenText(const OpenText&) = delete;
  OpenText& operator=(const OpenText&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

std::string size_text(size_t bytes) {
  constexpr size_t kMiB = size_t{1} << 20;
  return bytes % kMiB == 0 ? std::to_string(bytes / kMiB) + " MiB" : std::to_string(bytes) + " bytes";
}

std::string kind_text(mode_t mode) {
  return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

}  // namespace

std::string read_text_file(const std::string& path, size_t most_bytes, const std::string& expected) {
  const auto fail = [&](const std::string& what) {
    throw Error(path + ": " + what + "; expected " + expected);
  };
  const auto fail_to_read = [&] { fail(std::string("cannot be read (") + std::strerror(errno) + ")"); };
  const OpenText file(path);
  struct stat status = {};
  if (file.descriptor() < 0 || ::fstat(file.descriptor(), &status) != 0) fail_to_read();
  if (!S_ISREG(status.st_mode)) fail(kind_text(status.st_mode));
  // The size is only a hint: some files say 0, others grow meanwhile.
  std::string text;
  const auto room = static_cast<size_t>(std::max<off_t>(0, status.st_size));
  constexpr size_t kPiece = size_t{1} << 16;
  for (ssize_t got = 1; got != 0 && room <= most_bytes && text.size() <= most_bytes;) {
    const size_t before = text.size();
    text.resize(before + std::max(kPiece, before == 0 ? room + 1 : 0));
    got = ::read(file.descriptor(), text.data() + before, text.size() - before);
    if (got < 0 && errno != EINTR) fail_to_read();
    text.resize(before + static_cast<size_t>(std::max<ssize_t>(0, got)));
    got = got < 0 ? 1 : got;
  }
  if (room > most_bytes || text.size() > most_bytes) fail("longer than " + size_text(most_bytes));
  return text;
}

bool is_there(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0;
}

}  // namespace bsq
