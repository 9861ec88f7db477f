#pragma once

#include <string>

namespace bsq::cli {

/// Keeps a folder for this process: its file run.lock, locked and holding the process id. The system drops
/// the lock of a process that dies, so that a file left behind is simply taken over. Where the file system
/// knows no locks there is none, and stderr says so.
class FolderLock {
 public:
  /// Throws bsq::Error where another process holds the folder (naming it) or where the file cannot be
  /// written.
  explicit FolderLock(const std::string& folder);
  /// Removes the file.
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// Whether the folder still has the file; false once somebody has removed either.
  bool is_held() const;

 private:
  bool try_take(const std::string& folder);

  std::string path_;
  int descriptor_ = -1;
};

/// The lock files of a run's folder and of a sweep's.
constexpr const char* kRunLock = "run.lock";
constexpr const char* kSweepLock = ".lock";

/// Whether a process holds the folder by its lock file of this name; where the file system knows no locks,
/// whether there is such a file.
bool is_locked(const std::string& folder, const std::string& name = kRunLock);

}  // namespace bsq::cli
