#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bsq {

/// More to do where a file is replaced.
struct Replacement {
  /// Reads the temporary file again, after its fsync; throws where it is not what it has to be.
  std::function<void(const std::string& temporary)> verify = {};
  /// The name that the file which is replaced keeps; "": none.
  std::string previous = {};
};

/// Replaces the file `path` as a whole or not at all: `write` makes a file under the name it is given
/// (".NAME.tmp.PID" in the same folder, which has to exist), which is then fsynced, verified and renamed to
/// `path`; the folder is fsynced too. At every moment `path` is the old file or the new one (where the file
/// system has no hard links and the old one is kept, the old one may for a moment have only the name
/// `previous`). If anything fails the temporary file is removed and the previous `path` is untouched. Throws
/// what `write` and `verify` throw, and bsq::Error "cannot write PATH: reason". A symbolic link `path` is
/// replaced, not followed.
void write_atomically(const std::string& path, const std::function<void(const std::string& temporary)>& write,
                      const Replacement& replacement = {});

/// The same for a file of these pieces, one behind the other. The error says how many bytes are needed.
void write_bytes_atomically(const std::string& path, const std::vector<std::string_view>& pieces,
                            const Replacement& replacement = {});

/// Makes a folder and those above it that are missing, and fsyncs where new ones were made. Throws
/// bsq::Error.
void make_folders(const std::string& folder);

/// Removes the temporary files that killed processes have left in a folder. For whoever alone writes there.
void remove_temporaries(const std::string& folder);

}  // namespace bsq
