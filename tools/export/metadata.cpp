#include "tools/export/metadata.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"

namespace bsq::cli {
namespace {

// The shortest text that reads back as the same number.
template <typename Number>
std::string text_of(Number number) {
  return nlohmann::json(number).dump();
}

std::string text_of(const std::array<float, 3>& numbers) {
  auto list = nlohmann::json::array();
  for (const float number : numbers) {
    list.push_back(nlohmann::json::parse(c10::str(number)));
  }
  return list.dump();
}

// {"conv1": [8, 0]}: bits of weight and bias.
std::string scheme_text(Network& network) {
  auto scheme = nlohmann::json::object();
  for (const auto& [layer, bits] : scheme_of(network)) {
    scheme[layer] = {bits.weight, bits.bias};
  }
  return scheme.dump();
}

}  // namespace

std::map<std::string, std::string> export_metadata(Network& network, const Checkpoint& origin) {
  const auto sizes = sizes_of(network);
  std::map<std::string, std::string> texts = {{"architecture", network.description().architecture},
                                              {"method", origin.method},
                                              {"comp", text_of(sizes.comp())},
                                              {"comp_stored", text_of(sizes.comp_stored())},
                                              {"scheme", scheme_text(network)}};
  const auto& data = origin.data;
  if (!origin.dataset.empty()) {
    texts["dataset"] = origin.dataset;
  }
  if (std::isfinite(origin.top1)) {
    texts["top1"] = text_of(origin.top1);
  }
  if (data.normalization) {
    texts["normalization_mean"] = text_of(data.normalization->mean);
    texts["normalization_std"] = text_of(data.normalization->std);
  }
  if (!data.class_names.empty()) {
    texts["class_names"] = nlohmann::json(data.class_names).dump();
  }
  return texts;
}

}  // namespace bsq::cli
