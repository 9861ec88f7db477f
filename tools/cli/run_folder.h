#pragma once

#include <string>

#include "bsq/io/checkpoint.h"
#include "tools/cli/flags.h"

namespace bsq::cli {

/// The folder that a run writes to.
class RunFolder {
 public:
  /// Makes the folder where it is missing and makes sure that files can be written there. Throws bsq::Error.
  explicit RunFolder(const OutputFlags& flags);

  const std::string& path() const { return folder_; }
  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  /// Writes text as a whole or not at all.
  void write_text(const std::string& name, const std::string& text) const;
  /// config.cfg, with which --config reruns it.
  void write_configuration() const { write_text("config.cfg", configuration_); }
  /// Adds the run's configuration and writes the checkpoint.
  void write(const std::string& name, Checkpoint checkpoint) const;

 private:
  std::string folder_;
  std::string configuration_;
};

}  // namespace bsq::cli
