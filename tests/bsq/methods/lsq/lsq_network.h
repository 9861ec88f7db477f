#pragma once

#include <memory>

#include "bsq/methods/methods.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {

inline void begin_lsq(SmallNetwork& network, int64_t bits = 4) {
  make_method("lsq")->begin(network, {LayerRules(bits)});
}

/// A small network as LSQ begins with it.
inline std::shared_ptr<SmallNetwork> lsq_network(int64_t bits = 4) {
  auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/4);
  begin_lsq(*network, bits);
  return network;
}

/// One that holds this state.
inline std::shared_ptr<SmallNetwork> lsq_network_of(const NetworkState& state) {
  auto network = lsq_network();
  load_network(*network, state);
  return network;
}

}  // namespace bsq::test
