#include "bsq/methods/registry.h"

#include <stdexcept>

namespace bsq {
namespace {

std::map<std::string, MethodEntry>& entries() {
  static std::map<std::string, MethodEntry> all;
  return all;
}

}  // namespace

void register_method(const MethodEntry& entry) {
  if (!entries().emplace(entry.name, entry).second) {
    throw std::logic_error("method '" + entry.name + "' is registered twice");
  }
}

const std::map<std::string, MethodEntry>& registered_methods() { return entries(); }

}  // namespace bsq
