#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

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

constexpr std::string_view kZipMagic("PK\x03\x04", 4);
/// The pickle of the integer 0x1950a86a20f9469cfc6c, with which the old format starts.
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15);

/// The zip format: NAME/data.pkl, NAME/data/KEY for each storage, NAME/version, NAME/byteorder.
std::unique_ptr<PyTorchArchive> open_pytorch_zip(const std::string& path);

/// The old format, five parts in a row: the magic number, the protocol version 1001, a dict about the system,
/// the objects, the list of storage keys, each of them a pickle; then for each key an int64 count and the
/// elements.
std::unique_ptr<PyTorchArchive> open_pytorch_legacy(const std::string& path);

}  // namespace bsq
