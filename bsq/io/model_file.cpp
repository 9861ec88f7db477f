#include "bsq/io/model_file.h"

#include <filesystem>
#include <optional>

#include "bsq/base/error.h"
#include "bsq/io/pytorch/pytorch_reader.h"
#include "bsq/io/pytorch_model.h"
#include "bsq/io/safetensors.h"

namespace bsq {

namespace {

// Nothing where the file is none of these two kinds.
std::optional<PyTorchCheckpoint> read_foreign(const std::string& path) {
  if (is_pytorch_file(path)) {
    return read_pytorch(path);
  }
  if (is_safetensors_file(path)) {
    return read_safetensors(path);
  }
  return std::nullopt;
}

ModelFile read_own(const std::string& path) {
  if (std::filesystem::is_regular_file(path) && !is_hdf5_file(path)) {
    throw Error(path +
                ": not a model file; expected our .h5, PyTorch's .pth, .pth.tar, .th, or .safetensors");
  }
  return {read_checkpoint(path), /*has_description=*/true};
}

}  // namespace

ModelFile read_model_or_tensors(const std::string& path, std::string& fault) {
  const auto file = read_foreign(path);
  if (!file) {
    return read_own(path);
  }
  try {
    return {import_pytorch(*file), /*has_description=*/file->extras.has_value()};
  } catch (const Error& error) {
    fault = error.what();
  }
  Checkpoint checkpoint;
  for (const auto& [name, tensor] : file->state) {
    StoredTensor stored;
    stored.value = tensor;
    checkpoint.network.emplace_back(name, stored);
  }
  return {checkpoint, /*has_description=*/false};
}

ModelFile read_model(const std::string& path) {
  std::string fault;
  auto file = read_model_or_tensors(path, fault);
  if (!fault.empty()) {
    throw Error(path + ": " + fault);
  }
  return file;
}

}  // namespace bsq
