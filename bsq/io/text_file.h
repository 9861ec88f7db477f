#pragma once

#include <cstddef>
#include <string>

namespace bsq {

/// Gives the text of a regular file of at most `most_bytes`. A folder, a pipe or a device is refused and
/// never waited for. Throws bsq::Error, which names the path, what stands there, and that `expected` was
/// expected.
std::string read_text_file(const std::string& path, size_t most_bytes, const std::string& expected);

/// Whether anything stands at a path, a link to nowhere too. Throws nothing.
bool is_there(const std::string& path);

}  // namespace bsq
