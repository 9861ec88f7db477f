#include "bsq/train/statistics.h"

#include <iomanip>
#include <ostream>
#include <sstream>

#include "bsq/methods/bsq/precision_adjustment.h"
#include "bsq/methods/bsq/requantization.h"
#include "bsq/nn/network_bits.h"

namespace bsq {
namespace {

// The planes that re-quantization without growth would give.
BitPlanes binary_planes(const BitParameter& parameter) {
  torch::NoGradGuard no_grad;
  BitParameter copy = parameter;
  if (copy.representation() == Representation::kFrozen) {
    copy.unfreeze();
  }
  return requantize(copy.planes(), copy.planes().bits());
}

std::string percents(const BitParameter& parameter) {
  if (parameter.bits() == 0) {
    return "all weights are 0";
  }
  std::ostringstream text;
  text << std::fixed << std::setprecision(2);
  const auto percent = percent_of_ones(binary_planes(parameter)).cpu();
  for (int64_t plane = 0; plane < percent.size(0); ++plane) {
    text << (plane == 0 ? "" : " ") << std::setw(6) << percent[plane].item<double>();
  }
  return text.str();
}

}  // namespace

void print_statistics(std::ostream& out, Network& network) {
  out << std::left << std::setw(28) << "tensor" << std::right << std::setw(9) << "weights" << std::setw(6)
      << "bits"
      << "  percent of ones in each plane, most significant first\n";
  for (const auto& [name, parameter] : bit_parameters(network)) {
    out << std::left << std::setw(28) << name << std::right << std::setw(9) << parameter->numel()
        << std::setw(6) << parameter->bits() << "  " << percents(*parameter) << "\n";
  }
  const auto sizes = network_sizes(network);
  std::ostringstream totals;
  totals << std::fixed << std::setprecision(2) << "weights " << sizes.weights << ", bits " << sizes.bits_total
         << ", comp " << sizes.comp() << ", comp_stored " << sizes.comp_stored();
  out << totals.str() << "\n";
}

Compression compression_of(Network& network) {
  if (network_representation(network) == Representation::kFloat) {
    return {};
  }
  const auto sizes = network_sizes(network);
  return {sizes.comp(), sizes.comp_stored()};
}

}  // namespace bsq
