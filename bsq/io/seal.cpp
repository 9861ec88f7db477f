#include "bsq/io/seal.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "bsq/base/error.h"

namespace bsq {
namespace {

constexpr char kMark[] = "bsq sha256 ";
constexpr char kHdf5Signature[] = "\x89HDF\r\n\x1a\n";
constexpr size_t kBufferBytes = size_t{1} << 20;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) { require(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr)); }
  void add(const void* data, size_t bytes) { require(EVP_DigestUpdate(context_.get(), data, bytes)); }
  std::string hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int bytes = 0;
    require(EVP_DigestFinal_ex(context_.get(), digest, &bytes));
    std::string text;
    for (unsigned int i = 0; i < bytes; ++i) {
      text += {"0123456789abcdef"[digest[i] >> 4], "0123456789abcdef"[digest[i] & 15]};
    }
    return text;
  }

 private:
  static void require(int status) {
    if (status != 1) throw std::runtime_error("OpenSSL gives no SHA-256");
  }
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

std::string seal_text(Sha256& digest, size_t bytes) {
  std::string text = kMark + digest.hex() + " " + std::to_string(bytes) + " bytes follow\n";
  text.resize(kSealBytes, '\0');
  return text;
}

class InputFile {
 public:
  explicit InputFile(const std::string& path)
      : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) {
    if (descriptor_ < 0) fail();
    struct stat status;
    if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(descriptor_);
      throw Error(path + ": not a regular file, expected a checkpoint");
    }
  }
  ~InputFile() { ::close(descriptor_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Bytes read, fewer than asked for only at the end of the file.
  size_t read(char* data, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
      const ssize_t count = ::read(descriptor_, data + done, bytes - done);
      if (count < 0 && errno != EINTR) fail();
      if (count == 0) break;
      done += count > 0 ? static_cast<size_t>(count) : 0;
    }
    return done;
  }
  /// Lets what is read come from the disk and not from what the system remembers of having written it.
  void forget_cache() { ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED); }

 private:
  [[noreturn]] void fail() { throw Error("cannot open " + path_ + ": " + std::strerror(errno)); }
  std::string path_;
  int descriptor_;
};

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

}  // namespace

std::string make_seal(const void* content, size_t bytes) {
  Sha256 digest;
  digest.add(content, bytes);
  return seal_text(digest, bytes);
}

bool check_seal(const std::string& path) {
  InputFile file(path);
  file.forget_cache();
  std::string found(kSealBytes, '\0');
  found.resize(file.read(found.data(), found.size()));
  if (starts_with(found, kHdf5Signature)) return false;
  if (!starts_with(found, kMark)) throw Error(path + ": not an HDF5 file, nor a sealed checkpoint");
  Sha256 digest;
  std::vector<char> buffer(kBufferBytes);
  size_t total = 0;
  while (const size_t count = file.read(buffer.data(), buffer.size())) {
    digest.add(buffer.data(), count);
    total += count;
  }
  if (seal_text(digest, total) != found) {
    throw Error(path + ": damaged: the SHA-256 at its start is not that of the " + std::to_string(total) +
                " bytes that follow");
  }
  return true;
}

bool is_intact(const std::string& path) {
  try {
    check_seal(path);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace bsq
