#include "tools/network_listing.h"

#include <torch/nn/module.h>

#include <iomanip>
#include <map>
#include <sstream>
#include <stdexcept>

#include "models/registry.h"

namespace bsq::cli {
namespace {

// "" of what has no parameters.
std::string kind_of(const Operation& operation) {
  if (std::holds_alternative<op::Conv>(operation)) {
    return "conv";
  }
  if (std::holds_alternative<op::Linear>(operation)) {
    return "linear";
  }
  if (std::holds_alternative<op::Norm>(operation)) {
    return "norm";
  }
  return std::holds_alternative<op::Activation>(operation) ? "activation" : "";
}

int64_t parameters_of(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const auto& parameter : module.parameters()) {
    count += parameter.numel();
  }
  return count;
}

std::string title_of(const NetworkListing& listing) {
  const auto& description = listing.description;
  auto text = description.architecture;
  for (const auto& [name, value] : description.options) {
    text += ", " + name + " " + value;
  }
  const auto height = description.image_height, width = description.image_width;
  if (height != 32 || width != 32) {
    text += ", images of " + std::to_string(height) + " x " + std::to_string(width);
  }
  return text + ", " + std::to_string(description.classes) + " classes";
}

}  // namespace

NetworkListing list_network(const NetworkDescription& description) {
  const auto network = make_network(description);
  const auto* program = network->program();
  if (program == nullptr) {
    throw std::invalid_argument("architecture '" + description.architecture +
                                "': its forward() is written by hand; expected one that the builder makes");
  }
  NetworkListing listing;
  listing.description = network->description();
  std::map<std::string, int64_t> macs;
  for (const auto& layer : cost_of(*program, {}).layers) {
    macs[layer.path] = layer.macs;
  }
  const auto modules = network->named_modules();
  for (const auto& node : program->nodes()) {
    const auto kind = kind_of(node.operation);
    const auto* module = modules.find(node.path);
    if (kind.empty() || module == nullptr) {
      continue;
    }
    const LayerListing layer{node.path, kind, node.shape, parameters_of(**module), macs[node.path]};
    listing.macs += layer.macs;
    if (layer.parameters > 0) {
      listing.layers.push_back(layer);
    }
  }
  listing.parameters = parameters_of(*network);
  return listing;
}

std::string text_of(const NetworkListing& listing) {
  std::ostringstream text;
  text << "network: " << title_of(listing) << "\n";
  size_t width = 5;
  for (const auto& layer : listing.layers) {
    width = std::max(width, layer.path.size());
  }
  const auto column = static_cast<int>(width) + 2;
  text << std::left << std::setw(column) << "layer" << std::setw(12) << "kind" << std::setw(18) << "output"
       << std::right << std::setw(12) << "parameters" << std::setw(15) << "MACs"
       << "\n";
  for (const auto& layer : listing.layers) {
    text << std::left << std::setw(column) << layer.path << std::setw(12) << layer.kind << std::setw(18)
         << bsq::text_of(layer.shape) << std::right << std::setw(12) << layer.parameters << std::setw(15)
         << layer.macs << "\n";
  }
  text << "parameters " << listing.parameters << ", MACs " << listing.macs << " (for one image)\n";
  return text.str();
}

std::string brief_of(const NetworkListing& listing) {
  return title_of(listing) + ": " + std::to_string(listing.parameters) + " parameters, " +
         std::to_string(listing.macs) + " MACs\n";
}

nlohmann::json json_of(const NetworkListing& listing) {
  nlohmann::json json = {{"architecture", listing.description.architecture},
                         {"options", listing.description.options},
                         {"classes", listing.description.classes},
                         {"image", {listing.description.image_height, listing.description.image_width}},
                         {"parameters", listing.parameters},
                         {"macs", listing.macs},
                         {"layers", nlohmann::json::array()}};
  for (const auto& layer : listing.layers) {
    json["layers"].push_back({{"path", layer.path},
                              {"kind", layer.kind},
                              {"output", layer.shape},
                              {"parameters", layer.parameters},
                              {"macs", layer.macs}});
  }
  return json;
}

}  // namespace bsq::cli
