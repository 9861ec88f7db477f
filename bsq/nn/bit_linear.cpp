#include "bsq/nn/bit_linear.h"

#include <ostream>

namespace bsq {

std::shared_ptr<torch::nn::Module> BitLinearImpl::clone(const c10::optional<torch::Device>& device) const {
  return copy_of(*this, device);
}

void BitLinearImpl::pretty_print(std::ostream& stream) const {
  print_layer(stream, "bsq::BitLinear", weight_bits());
}

}  // namespace bsq
