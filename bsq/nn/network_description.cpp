#include "bsq/nn/network_description.h"

#include <fnmatch.h>

#include <stdexcept>

namespace bsq {
namespace {

// In the enum's order.
constexpr const char* kPlaces[] = {"output", "input", "shared-input", "every-input", "inner-shared-input"};

}  // namespace

bool NetworkDescription::operator==(const NetworkDescription& other) const {
  return architecture == other.architecture && options == other.options && classes == other.classes &&
         image_height == other.image_height && image_width == other.image_width &&
         activation == other.activation && activation_bits == other.activation_bits &&
         activation_range == other.activation_range && activation_place == other.activation_place &&
         activation_rules == other.activation_rules && norm == other.norm;
}

int64_t activation_bits_at(const NetworkDescription& description, const std::string& path) {
  int64_t bits = description.activation_bits;
  for (const auto& [pattern, wanted] : description.activation_rules) {
    if (fnmatch(pattern.c_str(), path.c_str(), /*flags=*/0) == 0) {
      bits = wanted;
    }
  }
  return bits;
}

const char* to_string(ActivationRange range) {
  return range == ActivationRange::kRunning ? "running" : "batch";
}

ActivationRange activation_range_of(const std::string& name) {
  if (name == "running") {
    return ActivationRange::kRunning;
  }
  if (name == "batch") {
    return ActivationRange::kBatch;
  }
  throw std::invalid_argument("activation range '" + name + "'; expected running or batch");
}

const char* to_string(ActivationPlace place) { return kPlaces[static_cast<int>(place)]; }

ActivationPlace activation_place_of(const std::string& name) {
  std::string names;
  for (int i = 0; i < static_cast<int>(std::size(kPlaces)); ++i) {
    if (name == kPlaces[i]) {
      return static_cast<ActivationPlace>(i);
    }
    names += (i == 0 ? "" : ", ") + std::string(kPlaces[i]);
  }
  throw std::invalid_argument("activation place '" + name + "'; expected one of " + names);
}

}  // namespace bsq
