#include "bsq/methods/csq/csq_weight.h"

#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "bsq/methods/bsq/bit_planes.h"
#include "bsq/methods/bsq/conversion.h"

namespace bsq {
namespace {

// 2^(n-1-b) / (2^n-1) of every plane.
torch::Tensor plane_factors(int64_t bits, const torch::TensorOptions& options) {
  auto factors = torch::empty({bits}, torch::kFloat64);
  for (int64_t plane = 0; plane < bits; ++plane) {
    factors[plane] = static_cast<double>(digit_weight(bits, plane)) / static_cast<double>(max_integer(bits));
  }
  return factors.to(options.requires_grad(false));
}

torch::Tensor trainable(const torch::Tensor& tensor) {
  return tensor.detach().clone().set_requires_grad(true);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// What a digit of 1 comes to.
double one_at(double temperature) {
  const double high = sigmoid(temperature * CsqWeight::kFirstLogit);
  return (2 * high - 1) * high;
}

// 1 and 0 as logits.
torch::Tensor logits_of(const torch::Tensor& digits) {
  return digits.mul(2).sub_(1).mul_(CsqWeight::kFirstLogit);
}

}  // namespace

CsqWeight::CsqWeight(const torch::Tensor& positive, const torch::Tensor& negative, const torch::Tensor& scale)
    : positive_(trainable(positive)),
      negative_(trainable(negative)),
      mask_(torch::full({positive.size(0)}, kFirstLogit, positive.options().requires_grad(false))
                .set_requires_grad(true)),
      scale_(trainable(scale)),
      temperature_(torch::ones({}, positive.options().requires_grad(false))) {}

std::unique_ptr<CsqWeight> CsqWeight::of(const torch::Tensor& weight, int64_t bits) {
  torch::NoGradGuard no_grad;
  const auto planes = to_bit_planes(weight.detach(), bits);
  return std::unique_ptr<CsqWeight>(
      new CsqWeight(logits_of(planes.positive), logits_of(planes.negative), planes.scale));
}

torch::Tensor CsqWeight::soft_value() const {
  const auto digits = torch::sigmoid(positive_ * temperature_) - torch::sigmoid(negative_ * temperature_);
  const auto factors = torch::sigmoid(mask_ * temperature_) * plane_factors(bits(), positive_.options());
  const auto scale = scale_ / one_at(temperature_.item<double>());
  return torch::matmul(factors, digits.flatten(1)).view(shape()) * scale;
}

torch::Tensor CsqWeight::value() const {
  return torch::GradMode::is_enabled() ? soft_value() : value_of(*codes());
}

Slots CsqWeight::slots() const {
  return {{"pweight", positive_},
          {"nweight", negative_},
          {"scale", scale_},
          {"mask", mask_},
          {"temperature", temperature_, Slot::Role::kTracked}};
}

std::optional<Codes> CsqWeight::codes() const {
  torch::NoGradGuard no_grad;
  const auto on = mask_.gt(0).to(positive_.scalar_type());
  std::vector<int64_t> by_plane(static_cast<size_t>(positive_.dim()), 1);
  by_plane.front() = bits();
  const auto digits = [&](const torch::Tensor& logits) {
    return logits.gt(0).to(logits.scalar_type()).mul_(on.view(by_plane));
  };
  Codes codes;
  codes.integers = plane_sum(digits(positive_), digits(negative_)).round_().to(torch::kInt32);
  codes.scale = scale_.detach();
  codes.format = sign_magnitude(bits());
  make_scale_positive(codes);
  drop_bits_if_zero(codes);
  return codes;
}

int64_t CsqWeight::bits_on() const { return mask_.gt(0).sum().item<int64_t>(); }

StoredTensor CsqWeight::store() const {
  torch::NoGradGuard no_grad;
  const auto plain = [](const torch::Tensor& tensor) { return tensor.detach().clone().cpu().contiguous(); };
  StoredTensor stored;
  stored.encoding = Encoding::kPlanes;
  stored.source = kKind;
  stored.positive = plain(positive_);
  stored.negative = plain(negative_);
  stored.scale = plain(scale_);
  stored.format = sign_magnitude(bits());
  stored.bits = is_all_zero(*codes()) ? 0 : bits();
  return stored;
}

std::unique_ptr<WeightSource> CsqWeight::clone() const {
  auto copy = std::unique_ptr<CsqWeight>(new CsqWeight(positive_, negative_, scale_));
  copy->mask_ = trainable(mask_);
  copy->temperature_ = temperature_.clone();
  return copy;
}

std::unique_ptr<WeightSource> CsqWeight::load(const StoredTensor& stored,
                                              const torch::TensorOptions& options) {
  if (stored.encoding != Encoding::kPlanes) {
    throw std::invalid_argument("no bit planes; expected them of this kind of weight");
  }
  return std::unique_ptr<CsqWeight>(
      new CsqWeight(stored.positive.to(options), stored.negative.to(options), stored.scale.to(options)));
}

void CsqWeight::refresh() {
  const double temperature = temperature_.item<double>();
  if (!(temperature > 0 && std::isfinite(temperature))) {
    throw std::invalid_argument("csq: a temperature of " + std::to_string(temperature) +
                                "; expected a positive number");
  }
}

void CsqWeight::set_temperature(double temperature) {
  torch::NoGradGuard no_grad;
  temperature_.fill_(temperature);
}

torch::Tensor CsqWeight::soft_bits() const { return torch::sigmoid(mask_ * temperature_).sum(); }

double CsqWeight::step_size() const {
  const double high = sigmoid(kFirstLogit);
  const double slope = scale_.item<double>() * high * (1 - high) * high / one_at(1);
  return 2 * slope * slope * plane_factors(bits(), torch::kFloat64).square().sum().item<double>();
}

}  // namespace bsq
