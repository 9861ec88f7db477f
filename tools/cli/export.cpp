#include "tools/cli/export.h"

#include "bsq/base/error.h"
#include "bsq/io/model_file.h"
#include "bsq/io/pytorch/pytorch_writer.h"
#include "bsq/io/pytorch_model.h"
#include "bsq/io/safetensors.h"
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

void export_model(const std::string& path, Network& network, Checkpoint origin, double top1) {
  origin.description = network.description();
  origin.top1 = top1;
  origin.network = codes_of_network(network);
  const auto file = export_pytorch(origin, own_names(network));
  if (is_safetensors_name(path)) {
    write_safetensors(path, file);
  } else {
    write_pytorch(path, file);
  }
}

}  // namespace bsq::cli
