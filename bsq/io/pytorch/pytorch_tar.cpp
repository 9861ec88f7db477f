#include <algorithm>
#include <cstring>

#include "bsq/io/pytorch/pytorch_archive.h"
#include "bsq/io/pytorch/tar_file.h"
#include "bsq/pickle/pickle_machine.h"

namespace bsq {
namespace {

using pickle::Document;
using pickle::KeyedStorage;
using pickle::KeyedTensor;
using pickle::Kind;
using pickle::Ref;
using pickle::StorageRecord;
using pickle::Value;

// Of the pickle before a storage's elements: a key, a device and a class.
constexpr int64_t kMaxHeadBytes = 4096;

class TarArchive : public PlainArchive {
 public:
  explicit TarArchive(const std::string& path);

 private:
  const TarMember& member(const std::string& name) const;
  std::string read_whole(const std::string& name);
  void read_system();
  void list_storages();
  void list_storage();
  void list_views();
  void list_tensors();
  KeyedTensor read_tensor(std::string_view bytes, size_t& position, const std::string& storage) const;

  Document take_pickle(int64_t most);
  int64_t take_count(const Document& document) const;
  void check_extent(int64_t size) const;
  int64_t extent_of(const Value& value) const;
  std::string key_of(const Value& value) const;
  void expect(bool is_so, const char* what) const;

  std::map<std::string, TarMember> members_;
  int64_t position_ = 0, end_ = 0;  // of what is left of 'storages'
  pickle::KeyedObjects objects_;
};

TarArchive::TarArchive(const std::string& path) : PlainArchive(path), members_(list_tar(in_, size_, path)) {
  read_system();
  list_storages();
  list_tensors();
  const std::string bytes = read_whole("pickle");
  size_t position = 0;
  document_ = pickle::parse(bytes, position, path, &objects_);
}

const TarMember& TarArchive::member(const std::string& name) const {
  const auto found = members_.find(name);
  if (found == members_.end()) {
    document_.fail("not a PyTorch file: a tar archive without '" + name + "'");
  }
  return found->second;
}

std::string TarArchive::read_whole(const std::string& name) {
  const TarMember& place = member(name);
  if (place.bytes > pickle::kMaxPickleBytes) {
    document_.fail("its '" + name + "' has " + std::to_string(place.bytes) + " bytes, expected at most " +
                   std::to_string(pickle::kMaxPickleBytes));
  }
  std::string bytes(static_cast<size_t>(place.bytes), '\0');
  read_at(place.offset, bytes.data(), place.bytes);
  return bytes;
}

void TarArchive::read_system() {
  if (members_.count("sys_info") != 0) {
    const std::string bytes = read_whole("sys_info");
    size_t position = 0;
    check_system(pickle::parse(bytes, position, document_.file));
  }
}

void TarArchive::list_storages() {
  const TarMember& place = member("storages");
  position_ = place.offset;
  end_ = place.offset + place.bytes;
  const int64_t count = take_count(take_pickle(kMaxHeadBytes));
  for (int64_t i = 0; i < count; ++i) {
    list_storage();
  }
  list_views();
}

// (key, device, class), then an int64 count and the elements
void TarArchive::list_storage() {
  const Document head = take_pickle(kMaxHeadBytes);
  const Value& root = head.at(head.root);
  expect(root.kind == Kind::kTuple && root.items.size() == 3, "(key, device, class) of a storage");
  const std::string key = key_of(head.at(root.items[0]));
  const Value& type = head.at(root.items[2]);
  const auto element = pickle::element_type(type);
  if (!element) {
    document_.fail("storage '" + key + "' is of " + describe(type) + ", expected one of torch's storages");
  }
  const int64_t numel = read_count(position_);
  position_ += static_cast<int64_t>(sizeof(numel));
  const auto item = static_cast<int64_t>(torch::elementSize(*element));
  if (numel < 0 || numel > pickle::kMaxElements || numel * item > end_ - position_) {
    document_.fail("storage '" + key + "' says " + std::to_string(numel) + " elements, with " +
                   std::to_string(end_ - position_) + " bytes left");
  }
  if (!objects_.storages.emplace(key, KeyedStorage{{key, *element, numel}, 0, numel}).second) {
    document_.fail("holds storage '" + key + "' twice");
  }
  positions_[key] = position_;
  position_ += numel * item;
}

// A list of (key, key of the storage that it is a part of, offset, elements)
void TarArchive::list_views() {
  const Document views = take_pickle(pickle::kMaxPickleBytes);
  const Value& list = views.at(views.root);
  expect(list.kind == Kind::kList, "a list of views");
  for (const Ref ref : list.items) {
    const Value& view = views.at(ref);
    expect(view.kind == Kind::kTuple && view.items.size() == 4, "(key, storage, offset, elements) of a view");
    const std::string key = key_of(views.at(view.items[0]));
    const auto whole = objects_.storages.find(key_of(views.at(view.items[1])));
    expect(whole != objects_.storages.end() && positions_.count(whole->first) != 0,
           "a view of a storage that is there");
    const KeyedStorage part{whole->second.whole, extent_of(views.at(view.items[2])),
                            extent_of(views.at(view.items[3]))};
    expect(objects_.storages.emplace(key, part).second, "each view once");
  }
}

// A count; for each tensor the pickle of (key, storage, class) and, after it, its sizes.
void TarArchive::list_tensors() {
  const std::string bytes = read_whole("tensors");
  size_t position = 0;
  const int64_t count = take_count(pickle::parse(bytes, position, document_.file));
  for (int64_t i = 0; i < count; ++i) {
    const Document head = pickle::parse(bytes, position, document_.file);
    const Value& root = head.at(head.root);
    expect(root.kind == Kind::kTuple && root.items.size() == 3, "(key, storage, class) of a tensor");
    const std::string key = key_of(head.at(root.items[0]));
    const Value& storage = head.at(root.items[1]);
    // An empty tensor may lie nowhere. Where one is used, its storage is missed.
    const std::string storage_key = storage.kind == Kind::kNone ? "None" : key_of(storage);
    if (!objects_.tensors.emplace(key, read_tensor(bytes, position, storage_key)).second) {
      document_.fail("holds tensor '" + key + "' twice");
    }
  }
}

// Little-endian: the number of dimensions as an int32, four bytes that mean nothing; then int64 sizes,
// strides and the offset.
KeyedTensor TarArchive::read_tensor(std::string_view bytes, size_t& position,
                                    const std::string& storage) const {
  const auto take = [&](auto& number) {
    expect(bytes.size() - position >= sizeof(number), "a tensor's sizes, which are cut short");
    std::memcpy(&number, bytes.data() + position, sizeof(number));
    position += sizeof(number);
  };
  const auto take_size = [&] {
    int64_t size = 0;
    take(size);
    check_extent(size);
    return size;
  };
  int32_t dimensions = 0, nothing = 0;
  take(dimensions);
  take(nothing);
  expect(dimensions >= 0 && dimensions <= pickle::kMaxDimensions, "a tensor of at most 16 dimensions");
  KeyedTensor tensor;
  tensor.storage = storage;
  for (auto* numbers : {&tensor.sizes, &tensor.strides}) {
    for (int32_t d = 0; d < dimensions; ++d) {
      numbers->push_back(take_size());
    }
  }
  tensor.offset = take_size();
  return tensor;
}

// The next one of 'storages', of at most so many bytes.
Document TarArchive::take_pickle(int64_t most) {
  std::string bytes(static_cast<size_t>(std::min(most, end_ - position_)), '\0');
  read_at(position_, bytes.data(), static_cast<int64_t>(bytes.size()));
  size_t length = 0;
  Document document = pickle::parse(bytes, length, document_.file);
  position_ += static_cast<int64_t>(length);
  return document;
}

int64_t TarArchive::take_count(const Document& document) const {
  const Value& count = document.at(document.root);
  expect(count.kind == Kind::kInteger && count.integer >= 0 && count.integer <= pickle::kMaxTensors,
         "at most 100000 tensors or storages");
  return count.integer;
}

void TarArchive::check_extent(int64_t size) const {
  expect(size >= 0 && size <= pickle::kMaxElements, "sizes, strides and offsets of 0 to 2^31");
}

int64_t TarArchive::extent_of(const Value& value) const {
  expect(value.kind == Kind::kInteger, "integers as the sizes of a view");
  check_extent(value.integer);
  return value.integer;
}

// The address that the object had.
std::string TarArchive::key_of(const Value& value) const {
  expect(value.kind == Kind::kInteger, "an integer as the key of a tensor or storage");
  return std::to_string(value.integer);
}

void TarArchive::expect(bool is_so, const char* what) const {
  if (!is_so) {
    document_.fail(std::string("a tar archive of PyTorch before 0.1.10 that is damaged; expected ") + what);
  }
}

}  // namespace

std::unique_ptr<PyTorchArchive> open_pytorch_tar(const std::string& path) {
  return std::make_unique<TarArchive>(path);
}

}  // namespace bsq
