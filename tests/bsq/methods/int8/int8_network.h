#pragma once

#include <memory>
#include <utility>

#include "bsq/graph/graph_network.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_state.h"

namespace bsq::test {

/// A residual block with a projection between a first and a last layer, for images (B, 3, 8, 8), 3 classes.
inline Value small_flow(Builder& b, Value image) {
  auto x = b.activation("relu1", b.norm("bn1", b.conv("conv1", image, /*planes=*/8, /*kernel=*/3)));
  const auto y = b.norm("bn2", b.conv("conv2", x, /*planes=*/12, /*kernel=*/3));
  const auto options = ConvOptions(/*planes=*/12, /*kernel=*/1).role(LayerRole::kShortcut);
  x = b.activation("relu2", b.add(y, b.norm("downsample.1", b.conv("downsample.0", x, options))));
  return b.linear("fc", b.global_average_pool(x), b.description().classes);
}

/// The network of small_flow() with the activations and norms that a method wants, float.
inline std::shared_ptr<Network> float_network(const Method& method, int64_t activation_bits = 8) {
  NetworkDescription given;
  given.architecture = "small";
  given.classes = 3;
  given.activation_bits = activation_bits;
  return std::make_shared<GraphNetwork>(method.adapted(given),
                                        [](Builder& b, Value image) { return small_flow(b, image); });
}

/// The same as int8 begins with it.
inline std::shared_ptr<Network> int8_network(Method& method) {
  auto network = float_network(method);
  method.begin(*network, {LayerRules(8)});
  return network;
}

/// One that holds this state, adopted by the method.
inline std::shared_ptr<Network> int8_network_of(const NetworkState& state, Method& method) {
  auto network = float_network(method);
  load_network(*network, state);
  method.adopt(*network);
  return network;
}

}  // namespace bsq::test
