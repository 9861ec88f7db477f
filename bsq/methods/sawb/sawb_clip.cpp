#include "bsq/methods/sawb/sawb_clip.h"

#include <torch/utils.h>

#include <iomanip>
#include <map>
#include <sstream>
#include <stdexcept>

namespace bsq {
namespace {

const std::map<int64_t, SawbCoefficients>& all_coefficients() {
  static const std::map<int64_t, SawbCoefficients> all = {
      {2, {3.12, -2.064, /*is_about_mean=*/false}},
      {3, {7.509, -6.892, /*is_about_mean=*/false}},
      {4, {1 / 0.077, -1.013 / 0.077, /*is_about_mean=*/true}},
      {5, {17.74, -18.64, /*is_about_mean=*/false}},
      {8, {1 / 0.027, -1.114 / 0.027, /*is_about_mean=*/true}},
  };
  return all;
}

// What has a clip of its own is a row.
torch::Tensor rows_of(const torch::Tensor& weight, SawbKind kind) {
  const int64_t rows = kind == SawbKind::kChannel ? weight.size(0) : 1;
  return weight.detach().reshape({rows, -1}).to(torch::kFloat64);
}

torch::Tensor spread_of(const torch::Tensor& rows, const SawbCoefficients& coefficients) {
  return coefficients.is_about_mean ? rows.std(/*dim=*/1, /*unbiased=*/true)
                                    : rows.square().mean(/*dim=*/1).sqrt();
}

torch::Tensor formula(const torch::Tensor& rows, int64_t bits, SawbKind kind) {
  const auto mean = rows.abs().mean(/*dim=*/1);
  if (kind == SawbKind::kTwiceMean) {
    return mean * 2;
  }
  const auto coefficients = sawb_coefficients(bits);
  return spread_of(rows, coefficients) * coefficients.of_spread + mean * coefficients.of_mean;
}

}  // namespace

bool has_sawb_coefficients(int64_t bits) { return all_coefficients().count(bits) != 0; }

SawbCoefficients sawb_coefficients(int64_t bits) {
  const auto found = all_coefficients().find(bits);
  if (found == all_coefficients().end()) {
    throw std::invalid_argument("sawb: " + std::to_string(bits) + " bits; expected 2, 3, 4, 5 or 8");
  }
  return found->second;
}

int64_t sawb_levels(int64_t bits) { return (int64_t{1} << (bits - 1)) - 1; }

torch::Tensor sawb_clip(const torch::Tensor& weight, int64_t bits, SawbKind kind) {
  torch::NoGradGuard no_grad;
  const auto rows = rows_of(weight, kind);
  const auto wanted = formula(rows, bits, kind);
  const auto clip = torch::where(wanted > 0, wanted, rows.abs().amax(/*dim=*/1)).to(weight.scalar_type());
  return kind == SawbKind::kChannel ? clip : clip[0];
}

torch::Tensor sawb_clip_slope(const torch::Tensor& weight, int64_t bits) {
  torch::NoGradGuard no_grad;
  const auto coefficients = sawb_coefficients(bits);
  const auto rows = rows_of(weight, SawbKind::kChannel);
  const auto count = static_cast<double>(rows.size(1));
  const auto spread = spread_of(rows, coefficients).unsqueeze(1);
  const auto of_spread = coefficients.is_about_mean
                             ? (rows - rows.mean(/*dim=*/1, /*keepdim=*/true)) / (spread * (count - 1))
                             : rows / (spread * count);
  return of_spread * coefficients.of_spread + rows.sign() * (coefficients.of_mean / count);
}

std::string sawb_text(int64_t bits, SawbKind kind) {
  if (kind == SawbKind::kTwiceMean) {
    return "clip 2 mean|w|, one a layer";
  }
  const auto coefficients = sawb_coefficients(bits);
  std::ostringstream text;
  text << std::fixed << std::setprecision(3) << "clip " << coefficients.of_spread
       << (coefficients.is_about_mean ? " sigma - " : " rms - ") << -coefficients.of_mean << " mean|w| ("
       << (coefficients.is_about_mean ? "BNFusionTrain" : "public coefficients") << "), one a "
       << (kind == SawbKind::kChannel ? "channel" : "layer");
  return text.str();
}

}  // namespace bsq
