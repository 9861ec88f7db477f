#include "models/registry.h"

#include <map>
#include <stdexcept>
#include <utility>

#include "models/resnet.h"

namespace bsq {
namespace {

using Factories = std::multimap<std::string, NetworkFactory>;

template <typename Impl>
std::shared_ptr<Network> make(const NetworkDescription& description) {
  return std::make_shared<Impl>(description);
}

// Made at its first use: other files register before main().
Factories& factories() {
  static Factories all = {{"resnet", make<ResNetImpl>}};
  return all;
}

std::string expected_names() {
  std::string text;
  for (const auto& name : architectures()) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

std::shared_ptr<Network> make_network(const NetworkDescription& description) {
  const auto& name = description.architecture;
  const auto [first, last] = factories().equal_range(name);
  if (first == last) {
    throw std::invalid_argument("architecture '" + name + "'; expected " + expected_names());
  }
  if (std::next(first) != last) {
    throw std::logic_error("architecture '" + name + "' is registered twice");
  }
  return first->second(description);
}

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : factories()) {
    if (names.empty() || names.back() != name) {
      names.push_back(name);
    }
  }
  return names;
}

void register_network(const std::string& name, NetworkFactory factory) {
  factories().emplace(name, std::move(factory));
}

}  // namespace bsq
