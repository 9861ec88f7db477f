#include "tools/cli/export.h"

#include <filesystem>

#include "bsq/base/error.h"
#include "bsq/io/model_file.h"
#include "bsq/io/pytorch/pytorch_writer.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_state.h"

namespace bsq::cli {
Checkpoint read_scheme_file(const std::string& path) {
  auto file = read_model(path).checkpoint;
  if (scheme_of(file.network).empty()) {
    throw Error(path + ": a float network without a scheme; expected one in bits");
  }
  return file;
}

void check_export_path(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder)) {
    throw Error(path + ": cannot be written; expected " + folder.string() + " to be a folder");
  }
}

void export_float_model(const std::string& path, Network& network, double top1) {
  std::map<std::string, std::pair<int64_t, int64_t>> scheme;
  for (const auto& [name, bits] : scheme_of(network)) {
    scheme[name] = {bits.weight, bits.bias};
  }
  auto file = export_pytorch(float_state(network), scheme);
  file.accuracy = top1;
  write_pytorch(path, file);
}

}  // namespace bsq::cli
