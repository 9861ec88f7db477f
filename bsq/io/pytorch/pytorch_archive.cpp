#include "bsq/io/pytorch/pytorch_archive.h"

#include <algorithm>

namespace bsq {

torch::Tensor PyTorchArchive::read(const pickle::StorageRecord& storage) {
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

}  // namespace bsq
