#include "tools/cli/model_cost.h"

#include "models/registry.h"

namespace bsq::cli {

std::optional<NetworkCost> model_cost(const NetworkDescription& description,
                                      const std::vector<TensorBits>& tensors) {
  const std::string suffix = ".weight";
  WeightBits bits;
  for (const auto& tensor : tensors) {
    const auto& name = tensor.name;
    if (name.size() > suffix.size() &&
        name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0) {
      bits[name.substr(0, name.size() - suffix.size())] = tensor.bits;
    }
  }
  return cost_of(description, bits);
}

void take_model_and_cost(RunSummary& summary, const Checkpoint& model) {
  take_model(summary, model);
  summary.macs.reset();
  summary.bit_operations.reset();
  if (const auto cost = model_cost(model.description, summary.tensors)) {
    summary.macs = cost->macs();
    summary.bit_operations = cost->bit_operations();
  }
}

}  // namespace bsq::cli
