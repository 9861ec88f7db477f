#include "bsq/io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "bsq/base/error.h"

namespace bsq {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTemporaryMark = ".tmp.";

[[noreturn]] void fail(const std::string& path, int error, const std::string& needed = "") {
  throw Error("cannot write " + path + ": " + std::strerror(error) + needed);
}

std::string temporary_name(const std::string& path) {
  const fs::path target(path);
  const std::string name = "." + target.filename().string() + kTemporaryMark + std::to_string(::getpid());
  return (target.parent_path() / name).string();
}

bool is_temporary_name(const std::string& name) {
  const size_t mark = name.rfind(kTemporaryMark);
  if (name.empty() || name[0] != '.' || mark == std::string::npos || mark == 0) return false;
  const std::string number = name.substr(mark + std::strlen(kTemporaryMark));
  return !number.empty() &&
         std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The errno of an fsync of this file or folder, 0 if it went well.
int synchronize(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  return error;
}

/// The errno of writing a piece to a file, 0 if it went well.
int write_piece(int descriptor, std::string_view piece) {
  while (!piece.empty()) {
    const ssize_t written = ::write(descriptor, piece.data(), std::min(piece.size(), size_t{1} << 30));
    if (written < 0 && errno != EINTR) return errno;
    piece.remove_prefix(written < 0 ? 0 : static_cast<size_t>(written));
  }
  return 0;
}

/// The errno of writing a file of these pieces, 0 if it went well.
int write_all(const std::string& path, const std::vector<std::string_view>& pieces) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return errno;
  int error = 0;
  for (size_t i = 0; i < pieces.size() && error == 0; ++i) error = write_piece(descriptor, pieces[i]);
  // A full disk may show as late as here.
  if (error == 0 && ::fsync(descriptor) != 0) error = errno;
  if (::close(descriptor) != 0 && error == 0) error = errno;
  return error;
}

bool is_regular(const std::string& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

/// Gives the file at `path` the name `previous` as well. The errno, 0 if it went well.
int keep_as(const std::string& path, const std::string& previous) {
  const std::string link = temporary_name(previous);
  ::unlink(link.c_str());
  if (::link(path.c_str(), link.c_str()) != 0) {
    // No hard links here.
    return std::rename(path.c_str(), previous.c_str()) == 0 ? 0 : errno;
  }
  const int error = std::rename(link.c_str(), previous.c_str()) == 0 ? 0 : errno;
  ::unlink(link.c_str());  // still there if `previous` was that file already
  return error;
}

using Write = std::function<void(const std::string& temporary)>;

/// write_atomically(); `needed` ends the messages.
void write_and_replace(const std::string& path, const Write& write, const Replacement& replacement,
                       const std::string& needed) {
  const std::string temporary = temporary_name(path);
  // One may be left by a killed process that had this number, or in a folder that was not to be written to.
  if (::unlink(temporary.c_str()) != 0 && errno != ENOENT) fail(path, errno, needed);
  try {
    write(temporary);
    if (const int error = synchronize(temporary)) fail(path, error, needed);
    if (replacement.verify) replacement.verify(temporary);
    if (!replacement.previous.empty() && is_regular(path)) {
      if (const int error = keep_as(path, replacement.previous)) {
        fail(replacement.previous, error, needed);
      }
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0) fail(path, errno, needed);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const fs::path parent = fs::path(path).parent_path();
  const int error = synchronize(parent.empty() ? "." : parent.string());
  if (error != 0 && error != EINVAL) fail(path, error);  // EINVAL: a file system without fsync of folders
}

}  // namespace

void write_atomically(const std::string& path, const Write& write, const Replacement& replacement) {
  write_and_replace(path, write, replacement, "");
}

void write_bytes_atomically(const std::string& path, const std::vector<std::string_view>& pieces,
                            const Replacement& replacement) {
  size_t bytes = 0;
  for (const std::string_view piece : pieces) bytes += piece.size();
  const std::string needed = " (" + std::to_string(bytes) + " bytes needed)";
  const auto write = [&](const std::string& temporary) {
    if (const int error = write_all(temporary, pieces)) fail(path, error, needed);
  };
  write_and_replace(path, write, replacement, needed);
}

void make_folders(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> made;
  for (auto path = fs::absolute(fs::path(folder) / "").parent_path();
       !fs::exists(path, error) && !error && path.has_relative_path(); path = path.parent_path()) {
    made.push_back(path);
  }
  fs::create_directories(folder, error);
  if (error || !fs::is_directory(folder, error)) {
    throw Error(folder + ": cannot be made" + (error ? " (" + error.message() + ")" : "") +
                "; expected a folder to write to");
  }
  for (const auto& path : made) synchronize(path.parent_path().string());
}

void remove_temporaries(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (is_temporary_name(entry.path().filename().string())) fs::remove(entry.path(), ignored);
  }
}

}  // namespace bsq
