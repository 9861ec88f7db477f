#include "tools/export/metadata.h"

#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "bsq/data/class_names.h"
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
  std::string list;
  for (const float number : numbers) {
    char digits[32];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
    list += (list.empty() ? "" : ",") + std::string(digits, end);
  }
  return "[" + list + "]";
}

// {"conv1": [8, 0]}: bits of weight and bias.
std::string scheme_text(Network& network) {
  auto scheme = nlohmann::json::object();
  for (const auto& [layer, bits] : scheme_of(network)) {
    scheme[layer] = {bits.weight, bits.bias};
  }
  return scheme.dump();
}

// Files of older runs name none.
std::vector<std::string> class_names(const Checkpoint& origin) {
  if (!origin.data.class_names.empty()) {
    return origin.data.class_names;
  }
  return origin.dataset == "cifar10"    ? cifar10_class_names()
         : origin.dataset == "cifar100" ? cifar100_class_names()
                                        : std::vector<std::string>();
}

}  // namespace

std::map<std::string, std::string> export_metadata(Network& network, const Checkpoint& origin) {
  const auto sizes = sizes_of(network);
  std::map<std::string, std::string> texts = {{"architecture", network.description().architecture},
                                              {"method", origin.method},
                                              {"comp", text_of(sizes.comp())},
                                              {"comp_stored", text_of(sizes.comp_stored())},
                                              {"scheme", scheme_text(network)}};
  if (!origin.dataset.empty()) {
    texts["dataset"] = origin.dataset;
  }
  if (std::isfinite(origin.top1)) {
    texts["top1"] = text_of(origin.top1);
  }
  const auto normalization = origin.data.normalization.value_or(Normalization());
  texts["normalization_mean"] = text_of(normalization.mean);
  texts["normalization_std"] = text_of(normalization.std);
  const auto names = class_names(origin);
  if (!names.empty()) {
    texts["class_names"] = nlohmann::json(names).dump();
  }
  return texts;
}

}  // namespace bsq::cli
