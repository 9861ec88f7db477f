#include "bsq/nn/activation_factory.h"

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

// Made at its first use: other files register before main().
std::map<std::string, ActivationFactory>& activation_factories() {
  static std::map<std::string, ActivationFactory> all = {{"uniform", make_uniform}};
  return all;
}

std::string activation_names() {
  std::string text;
  for (const auto& [name, factory] : activation_factories()) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

void register_activation(const std::string& name, ActivationFactory factory) {
  if (!activation_factories().emplace(name, std::move(factory)).second) {
    throw std::logic_error("activation '" + name + "' is registered twice");
  }
}

std::unique_ptr<Activation> activation_of(const NetworkDescription& description,
                                          const ActivationInput& input) {
  const auto found = activation_factories().find(description.activation);
  if (found == activation_factories().end()) {
    throw std::invalid_argument("activation '" + description.activation + "'; expected " +
                                activation_names());
  }
  auto activation = found->second(description);
  activation->set_input(input);
  return activation;
}

ActivationQuantizer make_activation(const NetworkDescription& description, const ActivationInput& input) {
  return ActivationQuantizer(activation_of(description, input), input);
}

}  // namespace bsq
