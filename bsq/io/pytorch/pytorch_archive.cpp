#include "bsq/io/pytorch/pytorch_archive.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace bsq {
namespace {

using pickle::Kind;
using pickle::StorageRecord;
using pickle::Value;

// The integer, in protocols 0 and 1, and since protocol 2.
constexpr std::string_view kMagicText = "L119547037146038801333356L\n.";
constexpr std::string_view kMagicBytes("\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 13);

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

}  // namespace

torch::Tensor PyTorchArchive::read(const StorageRecord& storage) {
  const auto bytes = storage.numel * static_cast<int64_t>(torch::elementSize(storage.type));
  check_size(storage, bytes);
  torch::Tensor elements = torch::empty({storage.numel}, torch::TensorOptions().dtype(storage.type));
  auto* data = static_cast<char*>(elements.data_ptr());
  read_into(storage, data, bytes);
  if (storage.type == torch::kBool &&
      std::any_of(data, data + bytes, [](char b) { return b != 0 && b != 1; })) {
    document_.fail("storage '" + pickle::printable(storage.key) +
                   "' of bools holds bytes other than 0 and 1");
  }
  return elements;
}

PlainArchive::PlainArchive(const std::string& path)
    : PyTorchArchive(path),
      in_(path, std::ios::binary),
      size_(static_cast<int64_t>(std::filesystem::file_size(path))) {}

void PlainArchive::check_size(const StorageRecord& storage, int64_t /*bytes*/) {
  if (positions_.count(storage.key) == 0) {
    document_.fail("storage '" + pickle::printable(storage.key) + "' is missing from the list of storages");
  }
}

void PlainArchive::read_into(const StorageRecord& storage, char* destination, int64_t bytes) {
  read_at(positions_.at(storage.key), destination, bytes);
}

void PlainArchive::check_system(const pickle::Document& system) const {
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

void PlainArchive::read_at(int64_t position, char* destination, int64_t bytes) {
  in_.clear();
  in_.seekg(position);
  in_.read(destination, bytes);
  if (in_.gcount() != bytes) {
    document_.fail("is cut short: " + std::to_string(bytes) + " bytes expected at byte " +
                   std::to_string(position) + ", found " + std::to_string(in_.gcount()));
  }
}

int64_t PlainArchive::read_count(int64_t position) {
  char raw[sizeof(int64_t)];
  read_at(position, raw, sizeof(raw));
  int64_t count = 0;
  std::memcpy(&count, raw, sizeof(raw));
  return count;
}

size_t legacy_magic_size(std::string_view start) {
  if (starts_with(start, kMagicText)) {
    return kMagicText.size();
  }
  constexpr size_t kProtocol = 2, kFrame = 9;
  if (start.size() < kProtocol || start[0] != '\x80' || start[1] < 2 || start[1] > 5) {
    return 0;
  }
  for (const size_t before : {kProtocol, kProtocol + kFrame}) {
    const bool has_frame = before != kProtocol;
    if (start.size() >= before && (!has_frame || start[kProtocol] == '\x95') &&
        starts_with(start.substr(before), kMagicBytes)) {
      return before + kMagicBytes.size();
    }
  }
  return 0;
}

}  // namespace bsq
