#pragma once

#include <memory>
#include <string>

#include "bsq/io/checkpoint/checkpoint.h"
#include "tools/cli/flags.h"
#include "tools/cli/folder_lock.h"

namespace bsq::cli {

/// The folder that a run writes to, which belongs to this process as long as the object lives. Of several
/// ranks the first one writes; for the others writing does nothing.
class RunFolder {
 public:
  /// Makes the folder where it is missing, locks it, makes sure that files can be written there, and removes
  /// temporary files that a killed run has left. Throws bsq::Error.
  explicit RunFolder(const OutputFlags& flags);

  /// Whether this process writes.
  bool is_writer() const { return is_writer_; }
  const std::string& folder() const { return folder_; }
  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  /// Makes the folder and the lock again where somebody has removed them, or the folder was out of reach;
  /// true where it had to: other files may be gone too. Throws bsq::Error.
  bool restore();

  /// Writes text as a whole or not at all.
  void write_text(const std::string& name, const std::string& text) const;
  /// config.cfg, with which --config reruns it.
  void write_configuration() const { write_text("config.cfg", configuration_); }
  /// Adds the run's configuration and writes the checkpoint.
  void write(const std::string& name, Checkpoint checkpoint) const;
  /// The same for checkpoint.h5; the one before stays as checkpoint.prev.h5.
  void write_resumable(Checkpoint checkpoint) const;

 private:
  void take();

  std::string folder_;
  std::string configuration_;
  bool is_writer_;
  std::unique_ptr<FolderLock> lock_;
};

}  // namespace bsq::cli
