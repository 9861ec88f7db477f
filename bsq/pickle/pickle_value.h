#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace bsq::pickle {

constexpr int64_t kMaxObjects = 1'000'000;          ///< objects and references to them, in one pickle
constexpr int kMaxDepth = 64;                       ///< containers within containers
constexpr int64_t kMaxElements = int64_t{1} << 31;  ///< of one tensor or storage
constexpr int64_t kMaxDimensions = 16;              ///< of one tensor
constexpr int64_t kMaxTensors = 100'000;            ///< in one pickle
constexpr size_t kMaxNameLength = 256;              ///< of a global, a storage key
constexpr int64_t kMaxPickleBytes = int64_t{64} << 20;

/// A value's place in Document::values. Values refer to each other by place, never by pointer: a list that
/// contains itself is harmless, and however deep a file nests, releasing it never recurses.
using Ref = uint32_t;

enum class Kind : uint8_t {
  kNone,
  kBool,        ///< integer
  kInteger,     ///< integer
  kBigInteger,  ///< beyond 64 bits: known to be one, its value dropped
  kFloat,       ///< real
  kString,      ///< text; Python's str and bytes alike
  kTuple,       ///< items
  kList,        ///< items
  kDict,        ///< items: key, value, key, value ...
  kGlobal,      ///< text: "module.name"; integer: place in the list of what can be made, or kUnknown
  kNumpyType,   ///< text: such as "f8"
  kNumpyArray,  ///< items: shape (a tuple), type, whether in Fortran's order, bytes; none before its state
  kStorage,     ///< integer: place in Document::views
  kTensor,      ///< integer: place in Document::tensors
  kOpaque       ///< text: what made it; an object that is not made here, so that only its name is known
};

/// The place of a global that nothing here makes.
constexpr int64_t kUnknown = -1;

struct Value {
  Kind kind = Kind::kNone;
  uint8_t depth = 0;
  int64_t integer = 0;
  double real = 0;
  std::string text = {};
  std::vector<Ref> items = {};
};

/// A block of numbers that the file holds outside the pickle.
struct StorageRecord {
  std::string key;
  torch::ScalarType type;
  int64_t numel;
};

/// A part of a storage, or the whole.
struct StorageView {
  size_t storage;
  int64_t offset;
  int64_t numel;
};

/// A strided tensor. Its elements are checked to lie within its storage's declared size.
struct TensorRecord {
  size_t storage;
  int64_t offset;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
};

/// Everything that one pickle describes.
class Document {
 public:
  explicit Document(std::string file) : file(std::move(file)) {}

  const Value& at(Ref ref) const { return values[ref]; }
  /// Adds a value, which counts against kMaxObjects.
  Ref add(Value value);
  /// Appends to a list or a dict.
  void append(Ref container, const std::vector<Ref>& items);
  /// Turns a value into an opaque object.
  void make_opaque(Ref ref, const std::string& name);
  /// Counts work against kMaxObjects; throws Error beyond it.
  void spend(int64_t objects);
  /// The value of a string key in a dict, null if there is none; throws Error if it is there twice.
  const Value* find(const Value& dict, std::string_view key) const;
  /// Throws Error "FILE: what".
  [[noreturn]] void fail(const std::string& what) const;

  std::string file;
  std::deque<Value> values;
  std::vector<StorageRecord> storages;
  std::vector<StorageView> views;
  std::vector<TensorRecord> tensors;
  Ref root = 0;

 private:
  uint8_t depth_above(const std::vector<Ref>& items) const;
  int64_t spent_ = 0;
};

/// Text from a file made fit for a one-line message: cut at 80 bytes, what is not printable ASCII as a
/// hexadecimal escape.
std::string printable(std::string_view text);
/// "a dict", "an integer"... for messages.
const char* describe(Kind kind);
/// The same; of an opaque object or a global also its name: "an object of argparse.Namespace".
std::string describe(const Value& value);

}  // namespace bsq::pickle
