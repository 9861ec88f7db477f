#include "bsq/pickle/pickle_numpy.h"

#include <cstring>

namespace bsq::pickle {
namespace {

template <typename Real>
double decode_real(const std::string& bytes) {
  Real real;
  std::memcpy(&real, bytes.data(), sizeof(real));
  return real;
}

int64_t decode_integer(const std::string& bytes, bool is_signed) {
  uint64_t bits = is_signed && (static_cast<unsigned char>(bytes.back()) & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
    bits = bits << 8 | static_cast<unsigned char>(*byte);
  }
  return static_cast<int64_t>(bits);
}

}  // namespace

bool is_numpy_number(const std::string& code) {
  for (const char* known : {"f8", "f4", "i8", "i4", "i2", "i1", "u4", "u2", "u1", "b1"}) {
    if (code == known) {
      return true;
    }
  }
  return false;
}

std::optional<Value> decode_numpy_number(const std::string& code, const std::string& bytes) {
  if (!is_numpy_number(code) || bytes.size() != static_cast<size_t>(code[1] - '0')) {
    return std::nullopt;
  }
  Value value;
  if (code[0] == 'f') {
    value.kind = Kind::kFloat;
    value.real = code[1] == '8' ? decode_real<double>(bytes) : decode_real<float>(bytes);
  } else {
    value.kind = Kind::kInteger;
    value.integer = decode_integer(bytes, /*is_signed=*/code[0] == 'i');
  }
  return value;
}

std::optional<std::string> decode_latin1(const std::string& text) {
  constexpr size_t kLongest = 64;
  if (text.size() > kLongest) {
    return std::nullopt;
  }
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80) {
      bytes += text[i];
    } else if ((first == 0xc2 || first == 0xc3) && i + 1 < text.size()) {
      ++i;
      bytes += static_cast<char>((first & 3) << 6 | (static_cast<unsigned char>(text[i]) & 0x3f));
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

}  // namespace bsq::pickle
