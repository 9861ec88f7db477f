#include <algorithm>
#include <unordered_map>

#include "bsq/io/pytorch/pytorch_archive.h"
#include "bsq/pickle/pickle_machine.h"

namespace bsq {
namespace {

using pickle::Document;
using pickle::Kind;
using pickle::StorageRecord;
using pickle::Value;

class LegacyArchive : public PlainArchive {
 public:
  explicit LegacyArchive(const std::string& path);

 private:
  std::string read_pickles();
  void place_storages(const Document& keys, int64_t position);
};

LegacyArchive::LegacyArchive(const std::string& path) : PlainArchive(path) {
  const std::string bytes = read_pickles();
  size_t position = legacy_magic_size(bytes);
  const Document version = pickle::parse(bytes, position, path);
  const Value& number = version.at(version.root);
  if (number.kind != Kind::kInteger || number.integer != 1001) {
    document_.fail("PyTorch format version is " + std::to_string(number.integer) + ", expected 1001");
  }
  check_system(pickle::parse(bytes, position, path));
  document_ = pickle::parse(bytes, position, path);
  const Document keys = pickle::parse(bytes, position, path);
  place_storages(keys, static_cast<int64_t>(position));
}

std::string LegacyArchive::read_pickles() {
  std::string bytes(std::min(size_, pickle::kMaxPickleBytes), '\0');
  read_at(0, bytes.data(), static_cast<int64_t>(bytes.size()));
  if (legacy_magic_size(bytes) == 0) {
    document_.fail("not a PyTorch file: it does not start with PyTorch's magic number");
  }
  return bytes;
}

void LegacyArchive::place_storages(const Document& keys, int64_t position) {
  std::unordered_map<std::string_view, const StorageRecord*> records;
  for (const StorageRecord& record : document_.storages) {
    records[record.key] = &record;
  }
  const Value& list = keys.at(keys.root);
  if (list.kind != Kind::kList) {
    document_.fail(std::string("the list of storages is ") + describe(list.kind) + ", expected a list");
  }
  for (pickle::Ref ref : list.items) {
    const Value& key = keys.at(ref);
    const auto record = key.kind == Kind::kString ? records.find(key.text) : records.end();
    if (record == records.end()) {
      document_.fail("the list of storages holds '" + pickle::printable(key.text) +
                     "', which no tensor uses");
    }
    const int64_t count = read_count(position);
    const auto item = static_cast<int64_t>(torch::elementSize(record->second->type));
    if (count != record->second->numel) {
      document_.fail("storage '" + key.text + "' has " + std::to_string(count) + " elements, expected " +
                     std::to_string(record->second->numel));
    }
    position += static_cast<int64_t>(sizeof(count));
    if (count * item > size_ - position) {
      document_.fail("is cut short: storage '" + key.text + "' needs " + std::to_string(count * item) +
                     " bytes at byte " + std::to_string(position) + ", found " +
                     std::to_string(size_ - position));
    }
    if (!positions_.emplace(key.text, position).second) {
      document_.fail("the list of storages holds '" + key.text + "' twice");
    }
    position += count * item;
  }
}

}  // namespace

std::unique_ptr<PyTorchArchive> open_pytorch_legacy(const std::string& path) {
  return std::make_unique<LegacyArchive>(path);
}

}  // namespace bsq
