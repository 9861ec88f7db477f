#include "bsq/io/pytorch/tar_file.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "bsq/base/error.h"
#include "bsq/pickle/pickle_value.h"

namespace bsq {
namespace {

constexpr int64_t kBlock = 512;
constexpr int64_t kMaxMembers = 1000;
constexpr int64_t kMaxExtension = 64 * 1024;

using Block = std::array<char, kBlock>;

// A field of a header.
struct Field {
  size_t offset, size;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kPrefix{345, 155};
constexpr size_t kType = 156, kMagic = 257;

std::string text_of(const Block& header, Field field) {
  const std::string_view all(header.data() + field.offset, field.size);
  return std::string(all.substr(0, all.find('\0')));
}

// Octal digits between blanks.
std::optional<int64_t> number_of(const Block& header, Field field) {
  const std::string text = text_of(header, field);
  const size_t first = text.find_first_not_of(' ');
  const size_t last = text.find_last_not_of(' ');
  if (first == std::string::npos) {
    return std::nullopt;
  }
  int64_t number = 0;
  for (const char digit : text.substr(first, last - first + 1)) {
    if (digit < '0' || digit > '7') {
      return std::nullopt;
    }
    number = 8 * number + (digit - '0');
  }
  return number;
}

// The sum of all bytes, those of the checksum itself as blanks.
int64_t checksum_of(Block header) {
  std::fill_n(header.begin() + kChecksum.offset, kChecksum.size, ' ');
  return std::accumulate(header.begin(), header.end(), int64_t{0},
                         [](int64_t sum, char byte) { return sum + static_cast<unsigned char>(byte); });
}

class TarReader {
 public:
  TarReader(std::istream& in, int64_t bytes, const std::string& file) : in_(in), bytes_(bytes), file_(file) {}

  std::map<std::string, TarMember> list() {
    for (int64_t count = 0; read_header(); ++count) {
      if (count >= kMaxMembers) {
        fail("holds more than " + std::to_string(kMaxMembers) + " files");
      }
      add_member();
    }
    return std::move(members_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(file_ + ": its tar archive " + what); }

  // False at the block of zeros that ends an archive, and at the file's end.
  bool read_header() {
    if (position_ == bytes_) {
      return false;
    }
    read(header_.data(), kBlock);
    if (std::all_of(header_.begin(), header_.end(), [](char byte) { return byte == 0; })) {
      return false;
    }
    const auto checksum = number_of(header_, kChecksum);
    if (checksum != checksum_of(header_)) {
      fail("is damaged: the header at byte " + std::to_string(position_ - kBlock) + " has a wrong checksum");
    }
    return true;
  }

  void add_member() {
    const auto size = number_of(header_, kSize);
    const std::string prefix = text_of(header_, kPrefix);
    const std::string name = (prefix.empty() ? "" : prefix + "/") + text_of(header_, kName);
    if (!size) {
      fail("'" + pickle::printable(name) + "' has a size that is no octal number");
    }
    if (*size > bytes_ - position_) {
      fail("is cut short: '" + pickle::printable(name) + "' says " + std::to_string(*size) +
           " bytes, found " + std::to_string(bytes_ - position_));
    }
    const char type = header_[kType];
    if (type == 'x' || type == 'g') {
      check_extension(*size);
    } else if (type == '0' || type == '\0') {
      if (!members_.emplace(name, TarMember{position_, *size}).second) {
        fail("holds '" + pickle::printable(name) + "' twice");
      }
    } else if (type != '5') {
      fail("holds '" + pickle::printable(name) + "' of type '" + pickle::printable({&type, 1}) +
           "', expected files");
    }
    position_ = std::min(bytes_, position_ + (*size + kBlock - 1) / kBlock * kBlock);
  }

  // Lines of "LENGTH KEY=VALUE".
  void check_extension(int64_t size) {
    if (size > kMaxExtension) {
      fail("has an extended header of " + std::to_string(size) + " bytes, expected at most " +
           std::to_string(kMaxExtension));
    }
    const int64_t start = position_;
    std::string text(static_cast<size_t>(size), '\0');
    read(text.data(), size);
    position_ = start;
    for (const char* key : {" path=", " size="}) {
      if (text.find(key) != std::string::npos) {
        fail(std::string("has an extended header with") + key + ", which is not read");
      }
    }
  }

  void read(char* destination, int64_t count) {
    in_.clear();
    in_.seekg(position_);
    in_.read(destination, count);
    if (in_.gcount() != count) {
      fail("is cut short at byte " + std::to_string(position_ + in_.gcount()));
    }
    position_ += count;
  }

  std::istream& in_;
  int64_t bytes_;
  std::string file_;
  int64_t position_ = 0;
  Block header_{};
  std::map<std::string, TarMember> members_;
};

}  // namespace

bool is_tar(std::string_view start) {
  constexpr std::string_view kUstar = "ustar";
  return start.size() >= kTarStart && start.substr(kMagic, kUstar.size()) == kUstar;
}

std::map<std::string, TarMember> list_tar(std::istream& in, int64_t bytes, const std::string& file) {
  return TarReader(in, bytes, file).list();
}

}  // namespace bsq
