#include "bsq/methods/profit/profit_optimizer.h"

#include "bsq/methods/profit/duq_activation.h"
#include "bsq/methods/profit/duq_quantizer.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

constexpr double kQuantizerRate = 0.01;

// Registered names of the numbers of DuQ quantizers.
std::set<std::string> quantizer_names(Network& network) {
  std::set<std::string> names;
  for (const auto& ref : coded_sources(network)) {
    if (ref.source().kind() == DuqQuantizer::kKind) {
      names.insert({ref.slot_name("a"), ref.slot_name("c")});
    }
  }
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    const auto* quantizer = item.value()->as<ActivationQuantizer>();
    if (quantizer != nullptr && dynamic_cast<const DuqActivation*>(&quantizer->activation()) != nullptr) {
      names.insert({item.key() + ".a", item.key() + ".c"});
    }
  }
  return names;
}

// Registered names of the layers' weights, with their paths.
std::map<std::string, std::string> weight_names(Network& network) {
  std::map<std::string, std::string> names;
  for (const auto& [path, layer] : quant_layers(network)) {
    names[path + ".weight"] = path;
  }
  return names;
}

}  // namespace

std::unique_ptr<Optimizer> make_profit_optimizer(Network& network, SgdOptions options, bool weights_rest,
                                                 const std::set<std::string>& frozen) {
  options.is_nesterov = true;
  const auto quantizers = quantizer_names(network);
  const auto weights = weight_names(network);
  return std::make_unique<Sgd>(network, options, [&](const std::string& name) {
    if (quantizers.count(name) > 0) {
      return SgdShare{kQuantizerRate, /*decay=*/0};
    }
    const auto weight = weights.find(name);
    if (weight == weights.end()) {
      return SgdShare{/*rate=*/1, /*decay=*/0};
    }
    const bool rests = weights_rest || frozen.count(weight->second) > 0;
    return SgdShare{/*rate=*/rests ? 0.0 : 1.0, /*decay=*/1};
  });
}

}  // namespace bsq
