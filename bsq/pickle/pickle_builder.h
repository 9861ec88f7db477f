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

/// Makes the few things that a checkpoint needs: dicts, tensors, parameters, storages, numpy scalars
/// and arrays.
/// Everything is made here, from data; nothing that a file names is ever looked up or called. Whatever else a
/// file names becomes an opaque object, of which the name alone is known.
class Builder {
 public:
  explicit Builder(Document& document) : document_(document) {}

  /// The GLOBAL opcode.
  Ref global(std::string_view module, std::string_view name);
  /// The REDUCE and NEWOBJ opcodes: callable(*arguments).
  Ref reduce(Ref callable, Ref arguments);
  /// The opcodes that make an object of a class in other ways: an opaque one.
  Ref object(Ref type);
  /// An object of which only the name is known.
  Ref opaque(const std::string& name);
  /// The BINPERSID opcode: ('storage', type, key, location, elements[, view]). Any other one, such as the
  /// source of a module, is an opaque object.
  Ref storage(Ref persistent_id);
  /// The BUILD opcode. The attributes of dicts, tensors and opaque objects are dropped.
  void build(Ref object, Ref state);

 private:
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
  std::unordered_map<std::string, size_t> storages_;
};

}  // namespace bsq::pickle
