#include "bsq/methods/methods.h"

#include <stdexcept>

#include "register_all.h"

namespace bsq {

void register_methods() {
  static const bool is_done = [] {
    register_all();
    return true;
  }();
  (void)is_done;
}

std::vector<MethodEntry> methods() {
  register_methods();
  std::vector<MethodEntry> list;
  for (const auto& [name, entry] : registered_methods()) {
    list.push_back(entry);
  }
  return list;
}

std::unique_ptr<Method> make_method(const std::string& name) {
  register_methods();
  const auto found = registered_methods().find(name);
  if (found != registered_methods().end()) {
    return found->second.make();
  }
  std::string names;
  for (const auto& [known, entry] : registered_methods()) {
    names += (names.empty() ? "" : ", ") + known;
  }
  throw std::invalid_argument("method '" + name + "'; expected one of " + names);
}

}  // namespace bsq
