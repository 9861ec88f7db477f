#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <unordered_map>

#include "bsq/io/pytorch/pytorch_archive.h"
#include "bsq/pickle/pickle_machine.h"

namespace bsq {
namespace {

using pickle::Document;
using pickle::Kind;
using pickle::StorageRecord;
using pickle::Value;

class LegacyArchive : public PyTorchArchive {
 public:
  explicit LegacyArchive(const std::string& path);

 protected:
  void check_size(const StorageRecord& storage, int64_t bytes) override;
  void read_into(const StorageRecord& storage, char* destination, int64_t bytes) override;

 private:
  std::string read_pickles();
  void check_system(const Document& system) const;
  void place_storages(const Document& keys, int64_t position);
  void read_at(int64_t position, char* destination, int64_t bytes);

  std::ifstream in_;
  int64_t size_;
  std::unordered_map<std::string, int64_t> positions_;
};

LegacyArchive::LegacyArchive(const std::string& path)
    : PyTorchArchive(path),
      in_(path, std::ios::binary),
      size_(static_cast<int64_t>(std::filesystem::file_size(path))) {
  const std::string bytes = read_pickles();
  size_t position = kLegacyMagic.size();
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
  if (std::string_view(bytes).substr(0, kLegacyMagic.size()) != kLegacyMagic) {
    document_.fail("not a PyTorch file: it does not start with PyTorch's magic number");
  }
  return bytes;
}

void LegacyArchive::check_system(const Document& system) const {
  const Value& dict = system.at(system.root);
  if (dict.kind != Kind::kDict) {
    document_.fail(std::string("PyTorch's description of the system is ") + describe(dict.kind) +
                   ", expected a dict");
  }
  const Value* little = system.find(dict, "little_endian");
  if (little != nullptr && (little->kind != Kind::kBool || little->integer != 1)) {
    document_.fail("was written on a big-endian machine, expected little-endian");
  }
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
    char raw[8];
    read_at(position, raw, sizeof(raw));
    int64_t count = 0;
    std::memcpy(&count, raw, sizeof(raw));
    const auto item = static_cast<int64_t>(torch::elementSize(record->second->type));
    if (count != record->second->numel) {
      document_.fail("storage '" + key.text + "' has " + std::to_string(count) + " elements, expected " +
                     std::to_string(record->second->numel));
    }
    position += static_cast<int64_t>(sizeof(raw));
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

void LegacyArchive::check_size(const StorageRecord& storage, int64_t /*bytes*/) {
  if (positions_.count(storage.key) == 0) {
    document_.fail("storage '" + pickle::printable(storage.key) + "' is missing from the list of storages");
  }
}

void LegacyArchive::read_into(const StorageRecord& storage, char* destination, int64_t bytes) {
  read_at(positions_.at(storage.key), destination, bytes);
}

void LegacyArchive::read_at(int64_t position, char* destination, int64_t bytes) {
  in_.clear();
  in_.seekg(position);
  in_.read(destination, bytes);
  if (in_.gcount() != bytes) {
    document_.fail("is cut short: " + std::to_string(bytes) + " bytes expected at byte " +
                   std::to_string(position) + ", found " + std::to_string(in_.gcount()));
  }
}

}  // namespace

std::unique_ptr<PyTorchArchive> open_pytorch_legacy(const std::string& path) {
  return std::make_unique<LegacyArchive>(path);
}

}  // namespace bsq
