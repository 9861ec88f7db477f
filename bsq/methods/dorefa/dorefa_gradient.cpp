#include "bsq/methods/dorefa/dorefa_gradient.h"

#include <torch/utils.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bsq {
namespace {

// In bfloat16 the codes of more than 8 bits, and the noise on them, would be rounded away.
torch::ScalarType wide_type(const torch::Tensor& gradient) {
  return gradient.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
}

torch::Tensor largest_of_images(const torch::Tensor& gradient) {
  std::vector<int64_t> shape(static_cast<size_t>(gradient.dim()), 1);
  shape[0] = gradient.size(0);
  return gradient.abs().flatten(/*start_dim=*/1).amax(/*dim=*/1).view(shape);
}

}  // namespace

DorefaGradient::DorefaGradient(int64_t bits, SharedNoiseCounter counter, uint64_t tensor)
    : StochasticGradient(bits, std::move(counter), tensor) {
  if (bits < 1 || bits > kMostBits) {
    throw std::invalid_argument("dorefa gradient: " + std::to_string(bits) + " bits; expected 1 to " +
                                std::to_string(kMostBits));
  }
}

torch::Tensor DorefaGradient::quantize(const torch::Tensor& gradient) const {
  torch::NoGradGuard no_grad;
  const auto g = gradient.to(wide_type(gradient));
  const auto largest = largest_of_images(g);
  const auto divisor = torch::where(largest > 0, largest * 2, torch::ones_like(largest));
  const auto levels = static_cast<double>((int64_t{1} << bits()) - 1);
  auto codes = g.div(divisor).add_(0.5).mul_(levels);
  codes = codes.add_(noise_like(codes, noise())).round_().clamp_(0, levels);
  const auto value = codes.div_(levels).sub_(0.5).mul_(largest * 2);
  return value.to(gradient.scalar_type());
}

}  // namespace bsq
