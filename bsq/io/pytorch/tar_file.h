#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <string_view>

namespace bsq {

/// What a tar archive holds of one of its files.
struct TarMember {
  int64_t offset;
  int64_t bytes;
};

/// How many bytes tell a tar archive, from a file's start.
constexpr size_t kTarStart = 262;
/// Whether a file that starts so is a tar archive as POSIX has it (ustar, pax), or GNU.
bool is_tar(std::string_view start);

/// The regular files of a tar archive of `bytes` bytes, by name. Checksums and sizes are checked; extended
/// headers are skipped, but for those that change a name or a size, which are refused, as is a name that
/// comes twice. Throws Error, with `file` in front.
std::map<std::string, TarMember> list_tar(std::istream& in, int64_t bytes, const std::string& file);

}  // namespace bsq
