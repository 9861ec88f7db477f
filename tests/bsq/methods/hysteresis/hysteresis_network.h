#pragma once

#include <map>
#include <memory>
#include <string>

#include "bsq/base/options.h"
#include "bsq/methods/methods.h"
#include "models/registry.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {

using OptionsByName = std::map<std::string, std::string>;

/// The method with these options.
inline std::unique_ptr<Method> hysteresis_method(const OptionsByName& options = {}) {
  auto method = make_method("hysteresis");
  OptionTable table;
  method->add_options(table);
  for (const auto& [name, text] : options) {
    table.set(name, text);
  }
  return method;
}

/// A ResNet-8 as the method begins with it.
inline std::shared_ptr<Network> hysteresis_resnet(Method& method, int64_t activation_bits = 2) {
  NetworkDescription description;
  description.options = {{"depth", "8"}};
  description.activation_bits = activation_bits;
  auto network = make_network(method.adapted(description));
  method.begin(*network, {LayerRules(1)});
  return network;
}

/// A small network with float activations, whose conv2 is binary.
inline std::shared_ptr<SmallNetwork> hysteresis_network(const OptionsByName& options = {}) {
  auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/0);
  hysteresis_method(options)->begin(*network, {LayerRules(1)});
  return network;
}

/// One that holds this state.
inline std::shared_ptr<SmallNetwork> hysteresis_network_of(const NetworkState& state) {
  auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/0);
  load_network(*network, state);
  return network;
}

}  // namespace bsq::test
