#include "tools/sweep/sweep_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"
#include "tools/cli/folder_lock.h"

namespace bsq::cli {
namespace {

// What a run needs, at most, to finish its step and save.
constexpr std::chrono::seconds kPatience(60);
constexpr std::chrono::milliseconds kLockPause(100);

}  // namespace

SweepLock::SweepLock(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const auto path = folder + "/" + kSweepLock;
  file_ = open(path.c_str(), O_RDWR | O_CREAT, 0666);
  if (file_ < 0) {
    throw Error(folder + ": cannot be written to (" + std::strerror(errno) +
                "); expected a folder with write permission");
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() > end) {
      close(file_);
      throw Error(folder + ": in use by another sweep; expected one sweep a folder");
    }
    std::this_thread::sleep_for(kLockPause);
  }
  remove_temporaries(folder);
}

SweepLock::~SweepLock() { close(file_); }

}  // namespace bsq::cli
