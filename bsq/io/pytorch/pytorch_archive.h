#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bsq/pickle/pickle_value.h"

namespace bsq {

/// A PyTorch file opened: the pickle that describes its objects, and access to the storages beside it.
class PyTorchArchive {
 public:
  virtual ~PyTorchArchive() = default;

  const pickle::Document& document() const { return document_; }
  /// A storage's elements as a 1-dimensional tensor. The bytes are known to be there before any memory is
  /// taken.
  torch::Tensor read(const pickle::StorageRecord& storage);

 protected:
  explicit PyTorchArchive(const std::string& path) : document_(path) {}
  /// Throws Error unless the file holds exactly `bytes` bytes for the storage.
  virtual void check_size(const pickle::StorageRecord& storage, int64_t bytes) = 0;
  virtual void read_into(const pickle::StorageRecord& storage, char* destination, int64_t bytes) = 0;

  pickle::Document document_;
};

/// One whose storages lie in the file as they are in memory.
class PlainArchive : public PyTorchArchive {
 protected:
  explicit PlainArchive(const std::string& path);
  void check_size(const pickle::StorageRecord& storage, int64_t bytes) override;
  void read_into(const pickle::StorageRecord& storage, char* destination, int64_t bytes) override;

  /// Throws Error unless PyTorch's description of the writer's system is a dict that says little-endian, or
  /// nothing of it.
  void check_system(const pickle::Document& system) const;
  void read_at(int64_t position, char* destination, int64_t bytes);
  int64_t read_count(int64_t position);

  std::ifstream in_;
  int64_t size_;
  std::unordered_map<std::string, int64_t> positions_;  // of storages
};

constexpr std::string_view kZipMagic("PK\x03\x04", 4);
/// How many bytes of a file's start legacy_magic_size() has to see.
constexpr size_t kLegacyStart = 32;
/// The length of the pickle of the integer 0x1950a86a20f9469cfc6c, in any protocol, with which the old format
/// starts; 0 for other files.
size_t legacy_magic_size(std::string_view start);

/// The zip format: NAME/data.pkl, NAME/data/KEY for each storage, NAME/version, NAME/byteorder.
std::unique_ptr<PyTorchArchive> open_pytorch_zip(const std::string& path);

/// The old format, five parts in a row: the magic number, the protocol version 1001, a dict about the system,
/// the objects, the list of storage keys, each of them a pickle; then for each key an int64 count and the
/// elements.
std::unique_ptr<PyTorchArchive> open_pytorch_legacy(const std::string& path);

/// The format before PyTorch 0.1.10, a tar archive of: 'sys_info', a dict; 'pickle', the objects; 'tensors',
/// a count, then for each of them (key, key of its storage, class) and its sizes; 'storages', a count, for
/// each of them (key, device, class), an int64 count and the elements, then the list of parts of storages.
std::unique_ptr<PyTorchArchive> open_pytorch_tar(const std::string& path);

}  // namespace bsq
