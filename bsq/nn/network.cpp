#include "bsq/nn/network.h"

namespace bsq {

ActivationQuantizer make_activation(const NetworkDescription& description) {
  return ActivationQuantizer(ActivationQuantizerOptions(description.activation_bits)
                                 .batch_range(description.activation_range == ActivationRange::kBatch));
}

}  // namespace bsq
