#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace bsq {

/// Replaces the file `path` as a whole or not at all: `write` makes a file under the name it is given
/// (".NAME.tmp.PID" in the same folder, which has to exist), which is then fsynced and renamed to `path`; the
/// folder is fsynced too. If anything fails the temporary file is removed and the previous `path` is
/// untouched. Throws what `write` throws, and bsq::Error "cannot write PATH: reason". A symbolic link `path`
/// is replaced, not followed.
void write_atomically(const std::string& path,
                      const std::function<void(const std::string& temporary)>& write);

/// The same for a file of these bytes.
void write_bytes_atomically(const std::string& path, const void* data, size_t bytes);

}  // namespace bsq
