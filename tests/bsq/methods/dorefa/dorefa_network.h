#pragma once

#include <memory>

#include "bsq/methods/methods.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {

/// A small network as DoReFa begins with it: conv2 has bits.
inline std::shared_ptr<SmallNetwork> dorefa_network(int64_t bits = 2) {
  auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/4);
  make_method("dorefa")->begin(*network, {LayerRules(bits)});
  return network;
}

/// One that holds this state.
inline std::shared_ptr<SmallNetwork> dorefa_network_of(const NetworkState& state) {
  auto network = dorefa_network();
  load_network(*network, state);
  return network;
}

}  // namespace bsq::test
