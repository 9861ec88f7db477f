#include "bsq/train/statistics.h"

#include <iomanip>
#include <ostream>
#include <sstream>

#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"
#include "bsq/quant/sign_magnitude.h"

namespace bsq {
namespace {

std::string percents(const Codes& codes) {
  if (codes.format.bits == 0) {
    return "all weights are 0";
  }
  std::ostringstream text;
  text << std::fixed << std::setprecision(2);
  const auto percent = percent_of_ones(codes).cpu();
  for (int64_t digit = 0; digit < percent.size(0); ++digit) {
    text << (digit == 0 ? "" : " ") << std::setw(6) << percent[digit].item<double>();
  }
  return text.str();
}

}  // namespace

void print_statistics(std::ostream& out, Network& network) {
  out << std::left << std::setw(28) << "tensor" << std::right << std::setw(9) << "weights" << std::setw(6)
      << "bits"
      << "  percent of ones in each digit, most significant first\n";
  for (const auto& ref : coded_sources(network)) {
    const auto codes = *ref.source().codes();
    out << std::left << std::setw(28) << ref.name << std::right << std::setw(9) << ref.source().numel()
        << std::setw(6) << codes.format.bits << "  " << percents(codes) << "\n";
  }
  const auto sizes = sizes_of(network);
  std::ostringstream totals;
  totals << std::fixed << std::setprecision(2) << "weights " << sizes.weights << ", bits " << sizes.bits_total
         << ", comp " << sizes.comp() << ", comp_stored " << sizes.comp_stored();
  out << totals.str() << "\n";
}

}  // namespace bsq
