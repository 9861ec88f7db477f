#pragma once

#include <cstddef>
#include <string>

namespace bsq {

/// Bytes that a seal takes at the start of a file, where HDF5 leaves a user block alone.
constexpr size_t kSealBytes = 512;

/// The seal of a content that follows it in the file: "bsq sha256 <64 hex digits> <bytes> bytes follow\n",
/// filled with zero bytes.
std::string make_seal(const void* content, size_t bytes);

/// Compares a file with its seal. A file that starts as HDF5 files do has none and passes: others write such
/// files. True where there is a seal. Throws bsq::Error for what is no regular file (a pipe is not waited
/// for), for a file that cannot be read, that starts in any other way, or whose content is not what the seal
/// says.
bool check_seal(const std::string& path);

/// Whether check_seal passes.
bool is_intact(const std::string& path);

}  // namespace bsq
