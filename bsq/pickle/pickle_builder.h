#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bsq/pickle/pickle_value.h"

namespace bsq::pickle {

/// The name of torch's storage class for an element type ("FloatStorage"), null for a type that files do not
/// hold.
const char* storage_class(torch::ScalarType type);

/// A part of a storage, or the whole, that a file holds under a key of its own.
struct KeyedStorage {
  StorageRecord whole;
  int64_t offset;
  int64_t numel;
};

/// A tensor that a file holds under a key of its own; nothing of it is checked yet but that no number is
/// negative or beyond kMaxElements.
struct KeyedTensor {
  std::string storage;  ///< the key
  int64_t offset;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
};

/// What PyTorch before 0.1.10 keeps outside of a pickle. The pickle names them by their keys.
struct KeyedObjects {
  std::unordered_map<std::string, KeyedStorage> storages;
  std::unordered_map<std::string, KeyedTensor> tensors;
};

/// The element type of a storage class; nothing for any other value.
std::optional<torch::ScalarType> element_type(const Value& storage_class);

/// Makes the few things that a checkpoint needs: dicts, tensors, parameters, storages, numpy scalars
/// and arrays.
/// Everything is made here, from data; nothing that a file names is ever looked up or called. Whatever else a
/// file names becomes an opaque object, of which the name alone is known.
class Builder {
 public:
  explicit Builder(Document& document, const KeyedObjects* keyed = nullptr)
      : document_(document), keyed_(keyed) {}

  /// The GLOBAL opcode.
  Ref global(std::string_view module, std::string_view name);
  /// The REDUCE and NEWOBJ opcodes: callable(*arguments).
  Ref reduce(Ref callable, Ref arguments);
  /// The opcodes that make an object of a class in other ways: an opaque one.
  Ref object(Ref type);
  /// An object of which only the name is known.
  Ref opaque(const std::string& name);
  /// The PERSID and BINPERSID opcodes. Without keyed objects: ('storage', type, key, location, elements[,
  /// view]); any other one, such as the source of a module, is an opaque object. With keyed objects: a key,
  /// or (class, file, source), which is the class.
  Ref persistent(Ref id);
  /// The BUILD opcode. The attributes of dicts, tensors and opaque objects are dropped.
  void build(Ref object, Ref state);

 private:
  Ref storage(Ref persistent_id);
  Ref keyed(const std::string& key);
  Ref make_keyed(const std::string& key);
  StorageView keyed_storage(const std::string& key);
  Ref add_storage(const StorageView& view);
  Ref reconstructed(const std::vector<Ref>& arguments);
  Ref ordered_dict(const std::vector<Ref>& arguments);
  Ref counter(const std::vector<Ref>& arguments);
  Ref tensor(const std::vector<Ref>& arguments);
  Ref old_tensor(const std::vector<Ref>& arguments);
  Ref add_tensor(TensorRecord tensor, const StorageView& view);
  Ref tensor_of_class(const std::vector<Ref>& arguments);
  Ref parameter(const std::vector<Ref>& arguments);
  Ref numpy_type(const std::vector<Ref>& arguments);
  Ref numpy_array();
  void set_array(Ref array, Ref state);
  Ref numpy_scalar(const std::vector<Ref>& arguments);
  Ref encode(const std::vector<Ref>& arguments);
  void check_bounds(const TensorRecord& tensor, const StorageView& view) const;
  size_t record(const StorageRecord& storage);

  void expect_count(const char* what, size_t found, size_t least, size_t most) const;
  const Value& expect(const char* what, Ref ref, Kind kind) const;
  int64_t expect_size(const char* what, Ref ref) const;
  std::vector<int64_t> expect_sizes(const char* what, Ref ref) const;

  Document& document_;
  const KeyedObjects* keyed_;
  std::unordered_map<std::string, Ref> made_;  // of the keyed objects
  std::unordered_map<std::string, size_t> storages_;
};

}  // namespace bsq::pickle
