#include "bsq/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "bsq/error.h"

namespace bsq {
namespace {

[[noreturn]] void fail(const std::string& path, int error) {
  throw Error("cannot write " + path + ": " + std::strerror(error));
}

/// The errno of an fsync of this file or folder, 0 if it went well.
int synchronize(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  return error;
}

/// The errno of writing a file of these bytes, 0 if it went well.
int write_all(const std::string& path, const char* data, size_t bytes) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return errno;
  int error = 0;
  while (bytes > 0 && error == 0) {
    const ssize_t written = ::write(descriptor, data, std::min(bytes, size_t{1} << 30));
    if (written < 0) {
      error = errno == EINTR ? 0 : errno;
    } else {
      data += written;
      bytes -= static_cast<size_t>(written);
    }
  }
  if (::close(descriptor) != 0 && error == 0) error = errno;
  return error;
}

}  // namespace

void write_atomically(const std::string& path,
                      const std::function<void(const std::string& temporary)>& write) {
  const std::filesystem::path target(path);
  const std::string name = "." + target.filename().string() + ".tmp." + std::to_string(::getpid());
  const std::string temporary = (target.parent_path() / name).string();
  ::unlink(temporary.c_str());  // left by a killed process that had this number
  try {
    write(temporary);
    if (const int error = synchronize(temporary)) fail(path, error);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) fail(path, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  const std::string folder = target.parent_path().empty() ? "." : target.parent_path().string();
  const int error = synchronize(folder);
  if (error != 0 && error != EINVAL) fail(path, error);  // EINVAL: a file system without fsync of folders
}

void write_bytes_atomically(const std::string& path, const void* data, size_t bytes) {
  write_atomically(path, [&](const std::string& temporary) {
    if (const int error = write_all(temporary, static_cast<const char*>(data), bytes)) fail(path, error);
  });
}

}  // namespace bsq
