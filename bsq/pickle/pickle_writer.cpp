#include "bsq/pickle/pickle_writer.h"

#include <limits>
#include <utility>

namespace bsq::pickle {

Writer::Writer() {
  put(Opcode::kProtocol);
  append_little_endian(2, /*bytes=*/1);
}

void Writer::string(std::string_view text) {
  put(Opcode::kUnicode);
  append_little_endian(text.size(), /*bytes=*/4);
  bytes_ += text;
}

void Writer::integer(int64_t number) {
  if (number >= 0 && number <= std::numeric_limits<uint8_t>::max()) {
    put(Opcode::kInt1);
    append_little_endian(number, /*bytes=*/1);
  } else if (number >= std::numeric_limits<int32_t>::min() && number <= std::numeric_limits<int32_t>::max()) {
    put(Opcode::kInt4);
    append_little_endian(number, /*bytes=*/4);
  } else {
    put(Opcode::kLong1);
    append_little_endian(8, /*bytes=*/1);
    append_little_endian(number, /*bytes=*/8);
  }
}

void Writer::global(std::string_view module, std::string_view name) {
  put(Opcode::kGlobal);
  (((bytes_ += module) += '\n') += name) += '\n';
}

void Writer::ordered_dict() {
  global("collections", "OrderedDict");
  put(Opcode::kEmptyTuple);
  put(Opcode::kReduce);
}

std::string Writer::finish() {
  put(Opcode::kStop);
  return std::exchange(bytes_, {});
}

void Writer::append_little_endian(uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    bytes_ += static_cast<char>(number >> (8 * i) & 0xff);
  }
}

}  // namespace bsq::pickle
