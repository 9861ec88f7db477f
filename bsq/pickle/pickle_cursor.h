#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bsq::pickle {

/// Walks through a pickle's bytes. Throws Error, with the file's name in front, rather than pass the end.
class Cursor {
 public:
  Cursor(std::string_view bytes, size_t position, const std::string& file)
      : bytes_(bytes), position_(position), file_(file) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  std::string_view take(uint64_t count);
  /// An unsigned little-endian number of 1 to 8 bytes.
  uint64_t take_unsigned(int bytes);
  /// The bytes up to the next line feed, at most so many; without a bound a name of at most kMaxNameLength.
  std::string_view take_line(size_t most);
  std::string_view take_line();
  /// A big-endian double.
  double take_real();
  /// A length of one or four bytes and that many bytes of a signed little-endian number; nothing if it
  /// exceeds 64 bits.
  std::optional<int64_t> take_long(int length_bytes);

 private:
  std::string_view bytes_;
  size_t position_;
  std::string file_;
};

}  // namespace bsq::pickle
