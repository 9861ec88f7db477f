#include "convert/fused_network.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <stdexcept>

#include "bsq/graph/norm_fusion.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_state.h"
#include "bsq/nn/norm_factory.h"
#include "models/registry.h"

namespace bsq::cli {

std::shared_ptr<Network> fused_network(Network& network) {
  if (is_float(network)) {
    throw std::invalid_argument("holds no bits; expected a model with bits for --fuse");
  }
  if (network.program() == nullptr) {
    throw std::invalid_argument(
        "its forward pass is written by hand: nobody knows what reads a norm's value");
  }
  auto description = network.description();
  description.norm = kNoNorm;
  const auto state = fuse_norms(*network.program(), codes_of_network(network));
  auto made = make_network(description);
  const auto like = network.parameters().front();
  made->to(like.device());
  load_network(*made, state);
  made->train(network.is_training());
  return made;
}

}  // namespace bsq::cli
