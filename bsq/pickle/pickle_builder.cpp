#include "bsq/pickle/pickle_builder.h"

#include <algorithm>

#include "bsq/pickle/pickle_numpy.h"

namespace bsq::pickle {
namespace {

enum class Action {
  kOrderedDict,
  kDefaultDict,
  kCounter,
  kTensor,
  kOldTensor,
  kTensorOfClass,
  kParameter,
  kNumpyType,
  kNumpyScalar,
  kNumpyArray,
  kEncode,
  kReconstruct
};

struct Made {
  const char* name;
  Action action;
};

constexpr Made kMade[] = {
    {"collections.OrderedDict", Action::kOrderedDict},
    {"collections.defaultdict", Action::kDefaultDict},
    {"collections.Counter", Action::kCounter},
    {"torch._utils._rebuild_tensor", Action::kOldTensor},
    {"torch._utils._rebuild_tensor_v2", Action::kTensor},
    {"torch._tensor._rebuild_from_type_v2", Action::kTensorOfClass},
    {"torch._utils._rebuild_parameter", Action::kParameter},
    {"torch._utils._rebuild_parameter_with_state", Action::kParameter},
    {"numpy.dtype", Action::kNumpyType},
    {"numpy.core.multiarray.scalar", Action::kNumpyScalar},
    {"numpy._core.multiarray.scalar", Action::kNumpyScalar},
    {"numpy.core.multiarray._reconstruct", Action::kNumpyArray},
    {"numpy._core.multiarray._reconstruct", Action::kNumpyArray},
    {"_codecs.encode", Action::kEncode},
    {"copy_reg._reconstructor", Action::kReconstruct},
    {"copyreg._reconstructor", Action::kReconstruct},
};
constexpr int64_t kMadeCount = sizeof(kMade) / sizeof(kMade[0]);

struct StorageClass {
  const char* name;
  torch::ScalarType type;
};

constexpr StorageClass kStorageClasses[] = {
    {"FloatStorage", torch::kFloat32}, {"DoubleStorage", torch::kFloat64},
    {"HalfStorage", torch::kFloat16},  {"BFloat16Storage", torch::kBFloat16},
    {"LongStorage", torch::kInt64},    {"IntStorage", torch::kInt32},
    {"ShortStorage", torch::kInt16},   {"CharStorage", torch::kInt8},
    {"ByteStorage", torch::kUInt8},    {"BoolStorage", torch::kBool},
};

std::optional<int64_t> find_storage_class(std::string_view module, std::string_view name) {
  if (module == "torch" || module == "torch.cuda") {
    for (const StorageClass& known : kStorageClasses) {
      if (name == known.name) {
        return kMadeCount + (&known - kStorageClasses);
      }
    }
  }
  return std::nullopt;
}

}  // namespace

const char* storage_class(torch::ScalarType type) {
  for (const StorageClass& known : kStorageClasses) {
    if (known.type == type) {
      return known.name;
    }
  }
  return nullptr;
}

std::optional<torch::ScalarType> element_type(const Value& storage_class) {
  if (storage_class.kind != Kind::kGlobal || storage_class.integer < kMadeCount) {
    return std::nullopt;
  }
  return kStorageClasses[storage_class.integer - kMadeCount].type;
}

Ref Builder::global(std::string_view module, std::string_view name) {
  if (module.size() > kMaxNameLength || name.size() > kMaxNameLength) {
    document_.fail("pickle names a global of " + std::to_string(module.size() + name.size()) +
                   " bytes, expected at most " + std::to_string(kMaxNameLength));
  }
  const std::string full = std::string(module) + "." + std::string(name);
  std::optional<int64_t> place = find_storage_class(module, name);
  for (int64_t i = 0; i < kMadeCount && !place; ++i) {
    if (full == kMade[i].name) {
      place = i;
    }
  }
  Value value;
  value.kind = Kind::kGlobal;
  value.integer = place.value_or(kUnknown);
  value.text = full;
  return document_.add(std::move(value));
}

Ref Builder::reduce(Ref callable, Ref arguments) {
  const Value& function = document_.at(callable);
  if (function.kind == Kind::kOpaque || (function.kind == Kind::kGlobal && function.integer == kUnknown)) {
    return opaque(function.text);
  }
  expect("what a pickle calls", callable, Kind::kGlobal);
  const std::vector<Ref>& items = expect("the arguments of a call", arguments, Kind::kTuple).items;
  if (function.integer >= kMadeCount) {
    return opaque(function.text);
  }
  switch (kMade[function.integer].action) {
    case Action::kOrderedDict:
      return ordered_dict(items);
    case Action::kDefaultDict:
      return ordered_dict({});
    case Action::kCounter:
      return counter(items);
    case Action::kTensor:
      return tensor(items);
    case Action::kOldTensor:
      return old_tensor(items);
    case Action::kTensorOfClass:
      return tensor_of_class(items);
    case Action::kParameter:
      return parameter(items);
    case Action::kNumpyType:
      return numpy_type(items);
    case Action::kNumpyScalar:
      return numpy_scalar(items);
    case Action::kNumpyArray:
      return numpy_array();
    case Action::kEncode:
      return encode(items);
    case Action::kReconstruct:
      return reconstructed(items);
  }
  document_.fail("pickle calls " + function.text + ", which it may not");
}

// (class, base class, state): how protocols 0 and 1 make an object
Ref Builder::reconstructed(const std::vector<Ref>& arguments) {
  expect_count("copyreg._reconstructor", arguments.size(), 3, 3);
  return object(arguments[0]);
}

Ref Builder::object(Ref type) {
  const Value& value = document_.at(type);
  const bool is_named = value.kind == Kind::kGlobal || value.kind == Kind::kOpaque;
  return opaque(is_named ? value.text : describe(value.kind));
}

Ref Builder::opaque(const std::string& name) {
  Value value;
  value.kind = Kind::kOpaque;
  value.text = name;
  return document_.add(std::move(value));
}

// Python 2 gives OrderedDict its items as a list of [key, value] lists.
Ref Builder::ordered_dict(const std::vector<Ref>& arguments) {
  expect_count("OrderedDict", arguments.size(), 0, 1);
  std::vector<Ref> items;
  if (!arguments.empty()) {
    const Value& pairs = expect("the items of an OrderedDict", arguments[0], Kind::kList);
    document_.spend(static_cast<int64_t>(pairs.items.size()));
    for (Ref ref : pairs.items) {
      const Value& pair = document_.at(ref);
      if ((pair.kind != Kind::kList && pair.kind != Kind::kTuple) || pair.items.size() != 2) {
        document_.fail(std::string("an OrderedDict's item is ") + describe(pair.kind) + ", expected a pair");
      }
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
  }
  Value value;
  value.kind = Kind::kDict;
  value.items = std::move(items);
  return document_.add(std::move(value));
}

// A Counter of a dict: the dict.
Ref Builder::counter(const std::vector<Ref>& arguments) {
  expect_count("a Counter", arguments.size(), 0, 1);
  return arguments.empty() || document_.at(arguments[0]).kind != Kind::kDict ? ordered_dict({})
                                                                             : arguments[0];
}

// (storage, offset, sizes, strides, requires_grad, hooks[, metadata])
Ref Builder::tensor(const std::vector<Ref>& arguments) {
  expect_count("a tensor", arguments.size(), 6, 7);
  if (arguments.size() == 7) {
    const Value& metadata = document_.at(arguments[6]);
    if (metadata.kind != Kind::kNone && !(metadata.kind == Kind::kDict && metadata.items.empty())) {
      return opaque("torch.Tensor with metadata (a negated or conjugated view)");
    }
  }
  return old_tensor({arguments.begin(), arguments.begin() + 4});
}

// (storage, offset, sizes, strides), as PyTorch 0.1 to 0.3 has it
Ref Builder::old_tensor(const std::vector<Ref>& arguments) {
  expect_count("a tensor", arguments.size(), 4, 4);
  if (document_.at(arguments[0]).kind == Kind::kOpaque) {
    return opaque(document_.at(arguments[0]).text);
  }
  const StorageView view =
      document_.views[expect("a tensor's storage", arguments[0], Kind::kStorage).integer];
  return add_tensor(
      {view.storage, expect_size("a tensor's offset", arguments[1]),
       expect_sizes("a tensor's sizes", arguments[2]), expect_sizes("a tensor's strides", arguments[3])},
      view);
}

// (function, class, arguments, attributes): a tensor that has attributes or a class of its own, which are
// dropped
Ref Builder::tensor_of_class(const std::vector<Ref>& arguments) {
  expect_count("a tensor with attributes", arguments.size(), 4, 4);
  return reduce(arguments[0], arguments[2]);
}

Ref Builder::add_tensor(TensorRecord tensor, const StorageView& view) {
  check_bounds(tensor, view);
  tensor.offset += view.offset;
  if (document_.tensors.size() >= static_cast<size_t>(kMaxTensors)) {
    document_.fail("pickle makes more than " + std::to_string(kMaxTensors) + " tensors");
  }
  document_.tensors.push_back(std::move(tensor));
  Value value;
  value.kind = Kind::kTensor;
  value.integer = static_cast<int64_t>(document_.tensors.size()) - 1;
  return document_.add(std::move(value));
}

void Builder::check_bounds(const TensorRecord& tensor, const StorageView& view) const {
  if (tensor.sizes.size() != tensor.strides.size()) {
    document_.fail("a tensor has " + std::to_string(tensor.sizes.size()) + " sizes and " +
                   std::to_string(tensor.strides.size()) + " strides");
  }
  // An empty dimension counts as one, so that no product of the sizes can overflow elsewhere either.
  int64_t elements = 1;
  bool empty = false;
  for (int64_t size : tensor.sizes) {
    empty = empty || size == 0;
    elements *= std::max<int64_t>(size, 1);
    if (elements > kMaxElements) {
      document_.fail("a tensor has more than " + std::to_string(kMaxElements) + " elements");
    }
  }
  int64_t past = tensor.offset + (empty ? 0 : 1);
  for (size_t d = 0; d < tensor.sizes.size() && !empty && past <= view.numel; ++d) {
    past += (tensor.sizes[d] - 1) * tensor.strides[d];
  }
  if (past > view.numel) {
    document_.fail("a tensor reaches beyond its storage '" + printable(document_.storages[view.storage].key) +
                   "' of " + std::to_string(view.numel) + " elements");
  }
}

Ref Builder::parameter(const std::vector<Ref>& arguments) {
  expect_count("a parameter", arguments.size(), 3, 4);
  if (document_.at(arguments[0]).kind != Kind::kOpaque) {
    expect("a parameter's data", arguments[0], Kind::kTensor);
  }
  return arguments[0];
}

Ref Builder::persistent(Ref id) {
  if (keyed_ == nullptr) {
    return storage(id);
  }
  const Value& value = document_.at(id);
  if (value.kind == Kind::kTuple) {
    expect_count("a persistent id", value.items.size(), 1, kMaxDimensions);
    return value.items[0];
  }
  return keyed(expect("a persistent id", id, Kind::kString).text);
}

Ref Builder::storage(Ref persistent_id) {
  const std::vector<Ref>& items = expect("a persistent id", persistent_id, Kind::kTuple).items;
  expect_count("a persistent id", items.size(), 1, kMaxDimensions);
  if (expect("a persistent id's first item", items[0], Kind::kString).text != "storage") {
    return opaque("persistent id '" + printable(document_.at(items[0]).text) + "'");
  }
  expect_count("a persistent id", items.size(), 5, 6);
  const Value& type = document_.at(items[1]);
  if (type.kind == Kind::kOpaque || (type.kind == Kind::kGlobal && type.integer < kMadeCount)) {
    return opaque(type.text);
  }
  expect("a storage's type", items[1], Kind::kGlobal);
  const std::string& key = expect("a storage's key", items[2], Kind::kString).text;
  if (key.empty() || key.size() > kMaxNameLength) {
    document_.fail("a storage's key has " + std::to_string(key.size()) + " bytes, expected 1 to " +
                   std::to_string(kMaxNameLength));
  }
  const int64_t numel = expect_size("a storage's size", items[4]);
  StorageView view{record({key, kStorageClasses[type.integer - kMadeCount].type, numel}), 0, numel};
  if (items.size() == 6 && document_.at(items[5]).kind != Kind::kNone) {
    const std::vector<Ref>& part = expect("a storage's view", items[5], Kind::kTuple).items;
    expect_count("a storage's view", part.size(), 3, 3);
    view.offset = expect_size("a storage view's offset", part[1]);
    view.numel = expect_size("a storage view's size", part[2]);
    if (view.offset + view.numel > numel) {
      document_.fail("a view reaches beyond its storage '" + printable(key) + "' of " +
                     std::to_string(numel) + " elements");
    }
  }
  return add_storage(view);
}

Ref Builder::add_storage(const StorageView& view) {
  document_.views.push_back(view);
  Value value;
  value.kind = Kind::kStorage;
  value.integer = static_cast<int64_t>(document_.views.size()) - 1;
  return document_.add(std::move(value));
}

Ref Builder::keyed(const std::string& key) {
  const auto known = made_.find(key);
  return known != made_.end() ? known->second : made_.emplace(key, make_keyed(key)).first->second;
}

Ref Builder::make_keyed(const std::string& key) {
  const auto tensor = keyed_->tensors.find(key);
  if (tensor != keyed_->tensors.end()) {
    const auto [storage, offset, sizes, strides] = tensor->second;
    const StorageView view = keyed_storage(storage);
    return add_tensor({view.storage, offset, sizes, strides}, view);
  }
  return add_storage(keyed_storage(key));
}

StorageView Builder::keyed_storage(const std::string& key) {
  const auto found = keyed_->storages.find(key);
  if (found == keyed_->storages.end()) {
    document_.fail("names the object '" + printable(key) + "', which is none of its tensors or storages");
  }
  const KeyedStorage& part = found->second;
  if (part.offset > part.whole.numel || part.numel > part.whole.numel - part.offset) {
    document_.fail("a view reaches beyond its storage '" + printable(part.whole.key) + "' of " +
                   std::to_string(part.whole.numel) + " elements");
  }
  return {record(part.whole), part.offset, part.numel};
}

size_t Builder::record(const StorageRecord& storage) {
  const auto [found, fresh] = storages_.emplace(storage.key, document_.storages.size());
  if (fresh) {
    document_.storages.push_back(storage);
  }
  const StorageRecord& known = document_.storages[found->second];
  if (known.type != storage.type || known.numel != storage.numel) {
    document_.fail("storage '" + printable(storage.key) +
                   "' is declared twice, with different types or sizes");
  }
  return found->second;
}

void Builder::build(Ref object, Ref state) {
  const Kind kind = document_.at(object).kind;
  if (kind == Kind::kNumpyType) {
    const std::vector<Ref>& items = expect("a numpy type's state", state, Kind::kTuple).items;
    expect_count("a numpy type's state", items.size(), 2, 16);
    const std::string& order = expect("a numpy type's byte order", items[1], Kind::kString).text;
    if (order != "<" && order != "|") {
      document_.make_opaque(object, "numpy.dtype of byte order '" + printable(order) + "'");
    }
  } else if (kind == Kind::kNumpyArray) {
    set_array(object, state);
  } else if (kind != Kind::kDict && kind != Kind::kTensor && kind != Kind::kOpaque) {
    document_.fail(std::string("pickle sets the state of ") + describe(kind) + ", which it may not");
  }
}

// Its class, shape and type are named here too, but only those of its state count.
Ref Builder::numpy_array() {
  Value value;
  value.kind = Kind::kNumpyArray;
  return document_.add(std::move(value));
}

// (version, shape, type, whether in Fortran's order, bytes). An array of another type than plain numbers is
// opaque.
void Builder::set_array(Ref array, Ref state) {
  const std::vector<Ref>& items = expect("a numpy array's state", state, Kind::kTuple).items;
  expect_count("a numpy array's state", items.size(), 5, 5);
  if (!document_.at(array).items.empty()) {
    document_.fail("pickle sets the state of a numpy array twice");
  }
  if (document_.at(items[2]).kind != Kind::kNumpyType || document_.at(items[4]).kind != Kind::kString) {
    document_.make_opaque(array, "numpy.ndarray");
    return;
  }
  expect_sizes("a numpy array's shape", items[1]);
  expect("a numpy array's order", items[3], Kind::kBool);
  document_.append(array, {items.begin() + 1, items.end()});
}

Ref Builder::numpy_type(const std::vector<Ref>& arguments) {
  expect_count("a numpy type", arguments.size(), 1, 3);
  const std::string& code = expect("a numpy type's name", arguments[0], Kind::kString).text;
  if (!is_numpy_number(code)) {
    return opaque("numpy.dtype '" + printable(code) + "'");
  }
  Value value;
  value.kind = Kind::kNumpyType;
  value.text = code;
  return document_.add(std::move(value));
}

Ref Builder::numpy_scalar(const std::vector<Ref>& arguments) {
  expect_count("a numpy scalar", arguments.size(), 2, 2);
  if (document_.at(arguments[0]).kind == Kind::kOpaque || document_.at(arguments[1]).kind == Kind::kOpaque) {
    return opaque("numpy.core.multiarray.scalar");
  }
  const std::string& code = expect("a numpy scalar's type", arguments[0], Kind::kNumpyType).text;
  const std::string& bytes = expect("a numpy scalar's bytes", arguments[1], Kind::kString).text;
  const std::optional<Value> number = decode_numpy_number(code, bytes);
  return number ? document_.add(*number) : opaque("numpy.core.multiarray.scalar");
}

// How protocol 2 writes bytes: text whose code points are the bytes.
Ref Builder::encode(const std::vector<Ref>& arguments) {
  expect_count("_codecs.encode", arguments.size(), 2, 2);
  const std::string& text = expect("the text to encode", arguments[0], Kind::kString).text;
  const std::string& codec = expect("the codec's name", arguments[1], Kind::kString).text;
  const std::optional<std::string> bytes = codec == "latin1" ? decode_latin1(text) : std::nullopt;
  if (!bytes) {
    return opaque("bytes");
  }
  Value value;
  value.kind = Kind::kString;
  value.text = *bytes;
  return document_.add(std::move(value));
}

void Builder::expect_count(const char* what, size_t found, size_t least, size_t most) const {
  if (found < least || found > most) {
    document_.fail(std::string(what) + " has " + std::to_string(found) + " items, expected " +
                   std::to_string(least) + (least == most ? "" : " to " + std::to_string(most)));
  }
}

const Value& Builder::expect(const char* what, Ref ref, Kind kind) const {
  const Value& value = document_.at(ref);
  if (value.kind != kind) {
    document_.fail(std::string(what) + " is " + describe(value.kind) + ", expected " + describe(kind));
  }
  return value;
}

int64_t Builder::expect_size(const char* what, Ref ref) const {
  const int64_t size = expect(what, ref, Kind::kInteger).integer;
  if (size < 0 || size > kMaxElements) {
    document_.fail(std::string(what) + " is " + std::to_string(size) + ", expected 0 to " +
                   std::to_string(kMaxElements));
  }
  return size;
}

std::vector<int64_t> Builder::expect_sizes(const char* what, Ref ref) const {
  const std::vector<Ref>& items = expect(what, ref, Kind::kTuple).items;
  expect_count(what, items.size(), 0, kMaxDimensions);
  std::vector<int64_t> sizes;
  for (Ref item : items) {
    sizes.push_back(expect_size(what, item));
  }
  return sizes;
}

}  // namespace bsq::pickle
