#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bsq/pickle/pickle_opcodes.h"

namespace bsq::pickle {

/// Writes a pickle of protocol 2, opcode by opcode, with none that PyTorch 1.13's restricted unpickler lacks.
class Writer {
 public:
  Writer();

  void put(Opcode opcode) { bytes_ += static_cast<char>(opcode); }
  void string(std::string_view text);
  void integer(int64_t number);
  void boolean(bool value) { put(value ? Opcode::kTrue : Opcode::kFalse); }
  void global(std::string_view module, std::string_view name);
  /// An empty collections.OrderedDict.
  void ordered_dict();
  /// Ends the pickle and gives its bytes.
  std::string finish();

 private:
  void append_little_endian(uint64_t number, int bytes);
  std::string bytes_;
};

}  // namespace bsq::pickle
