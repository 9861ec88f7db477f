#include "tools/infer/stored_network.h"

#include <stdexcept>
#include <utility>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/checkpoint/program_text.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"

namespace bsq::cli {

std::shared_ptr<Network> stored_network(const std::string& path) {
  const auto file = read_checkpoint(path);
  try {
    auto network = make_network(file.description);
    load_network(*network, file.network);
    network->eval();
    return network;
  } catch (const std::exception& error) {
    throw Error(path + ": " + error.what());
  }
}

infer::Engine engine_of(const std::string& path) {
  auto model = infer::read_model(path);
  if (!model.program.empty()) {
    return {std::move(model), ""};
  }
  const auto program = program_text(*stored_network(path));
  if (program.empty()) {
    throw Error(path + ": its forward pass is written by hand: nobody knows how it computes");
  }
  return {std::move(model), program};
}

}  // namespace bsq::cli
