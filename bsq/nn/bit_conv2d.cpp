#include "bsq/nn/bit_conv2d.h"

#include <ostream>

namespace bsq {

std::shared_ptr<torch::nn::Module> BitConv2dImpl::clone(const c10::optional<torch::Device>& device) const {
  return copy_of(*this, device);
}

void BitConv2dImpl::pretty_print(std::ostream& stream) const {
  print_layer(stream, "bsq::BitConv2d", weight_bits());
}

}  // namespace bsq
