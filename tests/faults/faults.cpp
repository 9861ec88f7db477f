// A library to preload: it makes the Nth call of a kind fail or fall short, and records all that changes
// files below one folder, so that a test can replay power losses. Environment:
//   BSQ_FAULTS_FOLDER  the folder that counts, an absolute path
//   BSQ_FAULTS_CALL    "write:7:ENOSPC", "write:7:SHORT", "fsync:3:EIO"; also rename, link, open, close
//   BSQ_FAULTS_TRACE   the file that the record goes to (trace.h)
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

namespace {

constexpr int kShort = -1;

struct Fault {
  std::string call;
  long number = 0;
  int error = 0;
};

// Constructed at the first call, which may come before this library's own constructors.
struct State {
  std::mutex mutex;
  std::string folder;
  Fault fault;
  int trace = -1;
  std::map<std::string, long> counts;
  std::map<ino_t, long> ids;  // of files; an inode number comes back after its file is gone
  std::map<int, long> descriptors;
  long next_id = 1;

  State();
};

int error_of(const std::string& name) {
  return name == "ENOSPC" ? ENOSPC : name == "EMFILE" ? EMFILE : name == "SHORT" ? kShort : EIO;
}

State::State() {
  const char* const root = std::getenv("BSQ_FAULTS_FOLDER");
  folder = root == nullptr ? "" : root;
  if (const char* const text = std::getenv("BSQ_FAULTS_CALL")) {
    const std::string call = text;
    const auto first = call.find(':');
    const auto second = call.find(':', first + 1);
    fault = {call.substr(0, first), std::atol(call.c_str() + first + 1), error_of(call.substr(second + 1))};
  }
  if (const char* const path = std::getenv("BSQ_FAULTS_TRACE")) {
    trace = static_cast<int>(
        syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  }
}

State& state() {
  static State* const only = new State;  // outlives everything that may still close files
  return *only;
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

bool counts(const char* path) {
  const auto& folder = state().folder;
  return path != nullptr && !folder.empty() && std::strncmp(path, folder.c_str(), folder.size()) == 0;
}

// 0, or the error with which this call fails.
int fault_of(const char* call) {
  auto& all = state();
  return ++all.counts[call] == all.fault.number && all.fault.call == call ? all.fault.error : 0;
}

void record(const std::string& line, const void* bytes = nullptr, size_t size = 0) {
  const int trace = state().trace;
  if (trace < 0) {
    return;
  }
  std::string text = line + "\n";
  text.append(static_cast<const char*>(bytes == nullptr ? "" : bytes), size);
  syscall(SYS_write, trace, text.data(), text.size());
}

long id_of(int descriptor, bool is_new) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    return 0;
  }
  auto& all = state();
  auto& id = all.ids[status.st_ino];
  if (is_new || id == 0) {
    id = all.next_id++;
  }
  return id;
}

int opened(int descriptor, const char* path, int flags, bool was_there) {
  if (descriptor < 0) {
    return descriptor;
  }
  auto& all = state();
  struct stat status {};
  if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    all.descriptors[descriptor] = 0;
    return descriptor;
  }
  const long id = id_of(descriptor, !was_there);
  all.descriptors[descriptor] = id;
  if (!was_there) {
    record("create " + std::to_string(id) + " " + path);
  } else if ((flags & O_TRUNC) != 0) {
    record("truncate " + std::to_string(id) + " 0");
  }
  return descriptor;
}

using Open = int (*)(const char*, int, ...);

int open_file(const char* name, const char* path, int flags, mode_t mode) {
  const auto real = next<Open>(name);
  if (!counts(path)) {
    return real(path, flags, mode);
  }
  const std::lock_guard<std::mutex> lock(state().mutex);
  if (const int error = (flags & (O_CREAT | O_WRONLY | O_RDWR)) != 0 ? fault_of("open") : 0) {
    errno = error;
    return -1;
  }
  struct stat status {};
  const bool was_there = lstat(path, &status) == 0;
  return opened(real(path, flags, mode), path, flags, was_there);
}

// The file's id; 0 for a folder, -1 for what does not count.
long known(int descriptor) {
  const auto found = state().descriptors.find(descriptor);
  return found == state().descriptors.end() ? -1 : found->second;
}

template <typename Write>
ssize_t write_part(int descriptor, const void* bytes, size_t size, off_t at, const Write& write) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  const long id = known(descriptor);
  if (id > 0) {
    const int error = fault_of("write");
    if (error > 0) {
      errno = error;
      return -1;
    }
    size = error == kShort ? std::max<size_t>(size / 2, 1) : size;
  }
  const ssize_t done = write(size);
  if (id > 0 && done > 0) {
    record("write " + std::to_string(id) + " " + std::to_string(at) + " " + std::to_string(done), bytes,
           static_cast<size_t>(done));
  }
  return done;
}

template <typename Sync>
int sync_file(int descriptor, const Sync& sync) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  const long id = known(descriptor);
  if (id >= 0) {
    if (const int error = fault_of("fsync")) {
      errno = error;
      return -1;
    }
  }
  const int result = sync(descriptor);
  if (id >= 0 && result == 0) {
    record("sync " + std::to_string(id));
  }
  return result;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_file("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_file("open64", path, flags, mode);
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  if (state().folder.empty() || descriptor <= STDERR_FILENO) {
    return real(descriptor, bytes, size);
  }
  const off_t at = lseek(descriptor, 0, SEEK_CUR);
  return write_part(descriptor, bytes, size, at, [&](size_t part) { return real(descriptor, bytes, part); });
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t at) {
  const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return write_part(descriptor, bytes, size, at,
                    [&](size_t part) { return real(descriptor, bytes, part, at); });
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t at) {
  return pwrite64(descriptor, bytes, size, at);
}

int ftruncate64(int descriptor, off64_t size) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  const int result = next<int (*)(int, off64_t)>("ftruncate64")(descriptor, size);
  if (known(descriptor) > 0 && result == 0) {
    record("truncate " + std::to_string(known(descriptor)) + " " + std::to_string(size));
  }
  return result;
}

int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

int fsync(int descriptor) {
  return sync_file(descriptor, [](int file) { return next<int (*)(int)>("fsync")(file); });
}

int fdatasync(int descriptor) {
  return sync_file(descriptor, [](int file) { return next<int (*)(int)>("fdatasync")(file); });
}

int close(int descriptor) {
  const auto real = next<int (*)(int)>("close");
  const std::lock_guard<std::mutex> lock(state().mutex);
  const bool is_known = state().descriptors.erase(descriptor) != 0;
  const int error = is_known ? fault_of("close") : 0;
  const int result = real(descriptor);
  if (error > 0) {
    errno = error;
    return -1;
  }
  return result;
}

int rename(const char* from, const char* to) {
  const auto real = next<int (*)(const char*, const char*)>("rename");
  if (!counts(to)) {
    return real(from, to);
  }
  const std::lock_guard<std::mutex> lock(state().mutex);
  if (const int error = fault_of("rename")) {
    errno = error;
    return -1;
  }
  const int result = real(from, to);
  if (result == 0) {
    record(std::string("rename ") + from + "\t" + to);
  }
  return result;
}

int link(const char* from, const char* to) {
  const auto real = next<int (*)(const char*, const char*)>("link");
  if (!counts(to)) {
    return real(from, to);
  }
  const std::lock_guard<std::mutex> lock(state().mutex);
  if (const int error = fault_of("link")) {
    errno = error;
    return -1;
  }
  const int result = real(from, to);
  if (result == 0) {
    record(std::string("link ") + from + "\t" + to);
  }
  return result;
}

int unlink(const char* path) {
  const int result = next<int (*)(const char*)>("unlink")(path);
  if (result == 0 && counts(path)) {
    const std::lock_guard<std::mutex> lock(state().mutex);
    record(std::string("unlink ") + path);
  }
  return result;
}

}  // extern "C"
