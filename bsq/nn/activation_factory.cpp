#include "bsq/nn/activation_factory.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

namespace bsq {
namespace {

std::unique_ptr<Activation> make_uniform(const NetworkDescription& description) {
  return std::make_unique<UniformActivation>(
      UniformActivationOptions(description.activation_bits)
          .batch_range(description.activation_range == ActivationRange::kBatch));
}

struct ActivationKind {
  ActivationFactory make;
  RangeUse range_use;
};

// Made at its first use: other files register before main().
std::map<std::string, ActivationKind>& activation_kinds() {
  static std::map<std::string, ActivationKind> all = {{"uniform", {make_uniform, RangeUse::kEvaluation}}};
  return all;
}

std::string activation_names() {
  std::string text;
  for (const auto& [name, kind] : activation_kinds()) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

void register_activation(const std::string& name, ActivationFactory factory, RangeUse range_use) {
  if (!activation_kinds().emplace(name, ActivationKind{std::move(factory), range_use}).second) {
    throw std::logic_error("activation '" + name + "' is registered twice");
  }
}

bool uses_activation_range(const NetworkDescription& description) {
  const auto& rules = description.activation_rules;
  const bool has_bits =
      description.activation_bits > 0 ||
      std::any_of(rules.begin(), rules.end(), [](const auto& rule) { return rule.second > 0; });
  const auto found = activation_kinds().find(description.activation);
  return has_bits && found != activation_kinds().end() && found->second.range_use == RangeUse::kEvaluation;
}

std::unique_ptr<Activation> activation_of(const NetworkDescription& description,
                                          const ActivationInput& input) {
  const auto found = activation_kinds().find(description.activation);
  if (found == activation_kinds().end()) {
    throw std::invalid_argument("activation '" + description.activation + "'; expected " +
                                activation_names());
  }
  auto activation = found->second.make(description);
  activation->set_input(input);
  return activation;
}

ActivationQuantizer make_activation(const NetworkDescription& description, const ActivationInput& input) {
  return ActivationQuantizer(activation_of(description, input), input);
}

}  // namespace bsq
