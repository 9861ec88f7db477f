#include "bsq/pickle/pickle_cursor.h"

#include <cstring>

#include "bsq/base/error.h"
#include "bsq/pickle/pickle_value.h"

namespace bsq::pickle {

std::string_view Cursor::take(uint64_t count) {
  if (count > left()) {
    throw Error(file_ + ": pickle is cut short: " + std::to_string(count) + " bytes expected at byte " +
                std::to_string(position_) + ", found " + std::to_string(left()));
  }
  const std::string_view taken = bytes_.substr(position_, count);
  position_ += count;
  return taken;
}

uint64_t Cursor::take_unsigned(int bytes) {
  const std::string_view raw = take(bytes);
  uint64_t number = 0;
  for (auto byte = raw.rbegin(); byte != raw.rend(); ++byte) {
    number = number << 8 | static_cast<unsigned char>(*byte);
  }
  return number;
}

std::string_view Cursor::take_line() { return take_line(kMaxNameLength); }

std::string_view Cursor::take_line(size_t most) {
  const std::string_view ahead = bytes_.substr(position_).substr(0, most + 1);
  const size_t end = ahead.find('\n');
  if (end == std::string_view::npos) {
    throw Error(file_ + ": pickle has no line of at most " + std::to_string(most) + " bytes at byte " +
                std::to_string(position_));
  }
  position_ += end + 1;
  return ahead.substr(0, end);
}

double Cursor::take_real() {
  uint64_t bits = 0;
  for (char byte : take(sizeof(double))) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
  }
  double real;
  std::memcpy(&real, &bits, sizeof(real));
  return real;
}

std::optional<int64_t> Cursor::take_long(int length_bytes) {
  const std::string_view raw = take(take_unsigned(length_bytes));
  if (raw.size() > sizeof(int64_t)) {
    return std::nullopt;
  }
  uint64_t bits = !raw.empty() && (static_cast<unsigned char>(raw.back()) & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (auto byte = raw.rbegin(); byte != raw.rend(); ++byte) {
    bits = bits << 8 | static_cast<unsigned char>(*byte);
  }
  return static_cast<int64_t>(bits);
}

}  // namespace bsq::pickle
