#pragma once

#include <string>

namespace bsq::cli {

/// Makes a folder, holds it for one sweep and removes the temporary files that a killed one left. The lock
/// passes to the runs that the sweep starts, so that the next sweep waits until the last run of a killed one
/// has saved its state.
class SweepLock {
 public:
  /// Throws bsq::Error where the folder cannot be made or written, or where another sweep holds it.
  explicit SweepLock(const std::string& folder);
  ~SweepLock();
  SweepLock(const SweepLock&) = delete;
  SweepLock& operator=(const SweepLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace bsq::cli
