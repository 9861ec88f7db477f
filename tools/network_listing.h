#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bsq/graph/program.h"
#include "bsq/nn/network_description.h"

namespace bsq::cli {

/// One operation of a network that has parameters.
struct LayerListing {
  std::string path;
  std::string kind;  ///< "conv", "linear", "norm", "activation"
  ValueShape shape;  ///< of its value, for one image
  int64_t parameters = 0;
  int64_t macs = 0;  ///< multiply-accumulates for one image; 0 of what is no layer of weights
};

/// A network as its description alone gives it.
struct NetworkListing {
  NetworkDescription description;  ///< with every option of the architecture
  std::vector<LayerListing> layers;
  int64_t parameters = 0, macs = 0;
};

/// Builds the network and lists it. Throws std::invalid_argument for what make_network() refuses and for a
/// network whose forward() is written by hand.
NetworkListing list_network(const NetworkDescription& description);

std::string text_of(const NetworkListing& listing);
/// One line: name, options, parameters, multiply-accumulates.
std::string brief_of(const NetworkListing& listing);
nlohmann::json json_of(const NetworkListing& listing);

}  // namespace bsq::cli
