#include "bsq/nn/norm_factory.h"

#include <map>
#include <stdexcept>
#include <utility>

namespace bsq {
namespace {

// Made at its first use: other files register before main().
std::map<std::string, NormFactory>& norm_factories() {
  static std::map<std::string, NormFactory> all;
  return all;
}

}  // namespace

void register_norm(const std::string& kind, NormFactory factory) {
  if (kind == kBatchNorm || kind == kNoNorm || !norm_factories().emplace(kind, std::move(factory)).second) {
    throw std::logic_error("norm '" + kind + "' is registered twice");
  }
}

std::shared_ptr<NormModule> make_norm(const NetworkDescription& description, int64_t channels) {
  const auto& kind = description.norm;
  const auto found = norm_factories().find(kind);
  if (found == norm_factories().end()) {
    auto names = std::string(kBatchNorm) + ", " + kNoNorm;
    for (const auto& [name, factory] : norm_factories()) {
      names += ", " + name;
    }
    throw std::invalid_argument("norm '" + kind + "'; expected " + names);
  }
  return found->second(channels, description);
}

}  // namespace bsq
