#include "bsq/io/model_file.h"

#include <filesystem>

#include "bsq/base/error.h"
#include "bsq/io/pytorch/pytorch_reader.h"
#include "bsq/io/pytorch_model.h"
#include "bsq/io/safetensors.h"

namespace bsq {

ModelFile read_model(const std::string& path) {
  const bool is_pytorch = is_pytorch_file(path);
  if (!is_pytorch && !is_safetensors_file(path)) {
    if (std::filesystem::is_regular_file(path) && !is_hdf5_file(path)) {
      throw Error(path +
                  ": not a model file; expected our .h5, PyTorch's .pth, .pth.tar, .th, or .safetensors");
    }
    return {read_checkpoint(path), /*has_description=*/true};
  }
  const auto file = is_pytorch ? read_pytorch(path) : read_safetensors(path);
  try {
    return {import_pytorch(file), /*has_description=*/file.extras.has_value()};
  } catch (const Error& error) {
    throw Error(path + ": " + error.what());
  }
}

}  // namespace bsq
