#include "tools/cli/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "bsq/base/error.h"
#include "tools/cli/notice.h"

namespace bsq::cli {
namespace {

// The process id in a lock file, or "" for anything that is not one.
std::string owner_in(int descriptor) {
  char text[16] = {};
  const ssize_t bytes = ::pread(descriptor, text, sizeof text - 1, 0);
  std::string owner;
  for (ssize_t i = 0; i < bytes && text[i] >= '0' && text[i] <= '9'; ++i) {
    owner += text[i];
  }
  return owner;
}

[[noreturn]] void refuse_to_write(const std::string& folder, int error) {
  throw Error(folder + ": cannot be written to (" + std::strerror(error) +
              "); expected a folder with write permission");
}

// is_locked() of another process holds a lock for a moment too.
bool lock_exclusively(int descriptor) {
  constexpr int kTries = 5;
  for (int i = 0; i < kTries; ++i) {
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
      return true;
    }
    if (errno != EWOULDBLOCK) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(i + 1 < kTries ? 10 : 0));
  }
  errno = EWOULDBLOCK;
  return false;
}

bool lacks_locks(int error) { return error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP; }

}  // namespace

FolderLock::FolderLock(const std::string& folder) : path_(folder + "/" + kRunLock) {
  while (!try_take(folder)) {
  }
  const std::string owner = std::to_string(::getpid()) + "\n";
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size())) {
    const int error = errno;
    ::unlink(path_.c_str());
    ::close(descriptor_);
    refuse_to_write(folder, error);
  }
}

// False where the owner removed the file between our opening and our locking it.
bool FolderLock::try_take(const std::string& folder) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor_ < 0) {
    refuse_to_write(folder, errno);
  }
  if (!lock_exclusively(descriptor_)) {
    if (lacks_locks(errno)) {
      notice(path_ + ": no locks on this file system; do not start a second run in this folder");
      return true;
    }
    const std::string owner = owner_in(descriptor_);
    ::close(descriptor_);
    throw Error(folder + ": in use by another run" + (owner.empty() ? "" : ", process " + owner) +
                "; expected a folder of its own (" + path_ + ")");
  }
  if (!is_held()) {
    ::close(descriptor_);
    return false;
  }
  return true;
}

bool FolderLock::is_held() const {
  struct stat ours;
  struct stat there;
  return ::fstat(descriptor_, &ours) == 0 && ::stat(path_.c_str(), &there) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

FolderLock::~FolderLock() {
  if (is_held()) {
    ::unlink(path_.c_str());
  }
  ::close(descriptor_);
}

bool is_locked(const std::string& folder, const std::string& name) {
  const auto path = folder + "/" + name;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) {
    return false;
  }
  const bool is_free = ::flock(descriptor, LOCK_SH | LOCK_NB) == 0;
  ::close(descriptor);
  return !is_free;
}

}  // namespace bsq::cli
