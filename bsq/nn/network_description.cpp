#include "bsq/nn/network_description.h"

#include <stdexcept>

namespace bsq {

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

}  // namespace bsq
