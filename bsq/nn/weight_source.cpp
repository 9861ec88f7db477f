#include "bsq/nn/weight_source.h"

#include <map>
#include <stdexcept>

#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

std::map<std::string, WeightSourceFactory>& factories() {
  static std::map<std::string, WeightSourceFactory> all;
  return all;
}

}  // namespace

std::vector<torch::Tensor> WeightSource::gradient_leaves() const {
  std::vector<torch::Tensor> leaves;
  for (const auto& slot : slots()) {
    if (slot.tensor.requires_grad()) {
      leaves.push_back(slot.tensor);
    }
  }
  return leaves;
}

void register_weight_source(const std::string& kind, WeightSourceFactory factory) {
  factories()[kind] = std::move(factory);
}

std::unique_ptr<WeightSource> make_weight_source(const StoredTensor& stored,
                                                 const torch::TensorOptions& options) {
  if (stored.encoding == Encoding::kFloat) {
    return std::make_unique<MasterWeight>(stored.value.to(options).detach().clone().set_requires_grad(true));
  }
  if (stored.encoding == Encoding::kCodes) {
    const auto offset = stored.offset.defined() ? stored.offset.to(options) : torch::Tensor();
    return make_frozen(
        {stored.value.to(options.device()), stored.scale.to(options), {}, stored.format, offset});
  }
  if (stored.source == GridQuantizer::kKind || stored.source == GridQuantizer::kOffsetKind) {
    return load_frozen(stored, options);
  }
  const auto found = factories().find(stored.source);
  if (found == factories().end()) {
    throw std::invalid_argument("weights of the kind '" + stored.source + "'; this program knows none such");
  }
  return found->second(stored, options);
}

}  // namespace bsq
