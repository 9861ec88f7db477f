#include "tests/fuzz/hdf5_checksums.h"

#include <cstring>

// The library's own; exported, though no header has it.
extern "C" uint32_t H5_checksum_metadata(const void* data, size_t bytes, uint32_t initial);

namespace bsq::fuzz {
namespace {

constexpr size_t kChecksum = 4;
constexpr size_t kSuperblock = 48;  // version 2 or 3 with 8-byte addresses, its checksum included
constexpr uint8_t kContinuation = 0x10;
constexpr int kMaxBlocks = 64;

class Repairer {
 public:
  Repairer(uint8_t* data, size_t bytes) : data_(data), bytes_(bytes) {}

  void repair() {
    if (bytes_ >= kSuperblock && data_[8] >= 2) {
      seal(0, kSuperblock);
    }
    for (size_t at = 0; at + 8 < bytes_; ++at) {
      if (std::memcmp(data_ + at, "OHDR", 4) == 0) {
        repair_header(at);
      }
    }
  }

 private:
  // The last four bytes of [begin, begin + length) become the checksum of those before.
  void seal(size_t begin, size_t length) {
    const uint32_t sum = H5_checksum_metadata(data_ + begin, length - kChecksum, 0);
    std::memcpy(data_ + begin + length - kChecksum, &sum, kChecksum);
  }

  uint64_t number(size_t at, size_t width) const {
    uint64_t value = 0;
    std::memcpy(&value, data_ + at, width);
    return value;
  }

  bool has(size_t at, uint64_t length) const { return at <= bytes_ && length <= bytes_ - at; }

  void repair_header(size_t begin) {
    const uint8_t flags = data_[begin + 5];
    const size_t width = size_t{1} << (flags & 3);
    const size_t prefix = 6 + ((flags & 0x20) != 0 ? 16 : 0) + ((flags & 0x10) != 0 ? 4 : 0) + width;
    if (!has(begin, prefix)) {
      return;
    }
    const uint64_t messages = number(begin + prefix - width, width);
    if (!has(begin + prefix, messages) || !has(begin + prefix + messages, kChecksum)) {
      return;
    }
    repair_continuations(begin + prefix, begin + prefix + messages, (flags & 4) != 0, kMaxBlocks);
    seal(begin, prefix + messages + kChecksum);
  }

  void repair_continuations(size_t at, size_t end, bool has_order, int blocks) {
    const size_t head = has_order ? 6 : 4;
    while (at + head <= end && blocks-- > 0) {
      const uint64_t length = number(at + 1, 2);
      if (data_[at] == kContinuation && length >= 16 && at + head + 16 <= end) {
        const uint64_t begin = number(at + head, 8);
        const uint64_t size = number(at + head + 8, 8);
        if (size > 8 && has(begin, size) && std::memcmp(data_ + begin, "OCHK", 4) == 0) {
          repair_continuations(begin + 4, begin + size - kChecksum, has_order, blocks / 2);
          seal(begin, size);
        }
      }
      at += head + length;
    }
  }

  uint8_t* data_;
  size_t bytes_;
};

}  // namespace

void repair_hdf5_checksums(uint8_t* data, size_t bytes) { Repairer(data, bytes).repair(); }

}  // namespace bsq::fuzz
