#include "bsq/methods/bsq/plane_weight.h"

#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "bsq/methods/bsq/plane_kernels.h"

namespace bsq {
namespace {

torch::Tensor trainable(const torch::Tensor& tensor) {
  return tensor.detach().clone().set_requires_grad(true);
}

}  // namespace

PlaneWeight::PlaneWeight(const BitPlanes& planes) {
  planes.check("bit planes");
  planes_ = {trainable(planes.positive), trainable(planes.negative), trainable(planes.scale)};
  refresh();
}

Slots PlaneWeight::slots() const {
  return {{"pweight", planes_.positive, Slot::Role::kTrained, /*may_be_absent=*/false, /*low=*/0, /*high=*/2},
          {"nweight", planes_.negative, Slot::Role::kTrained, /*may_be_absent=*/false, /*low=*/0, /*high=*/2},
          {"scale", planes_.scale}};
}

void PlaneWeight::refresh() {
  torch::NoGradGuard no_grad;
  round_planes(planes_, rounded_);
  multiply();
}

void PlaneWeight::refresh_to_norm(double norm) {
  torch::NoGradGuard no_grad;
  round_planes(planes_, rounded_);
  const double square = scale_gradient(rounded_, rounded_);
  if (square > 0 && norm > 0) {
    planes_.scale.fill_(norm / std::sqrt(square));
  }
  multiply();
}

void PlaneWeight::multiply() {
  if (leaf_.defined() && leaf_.options().type_equal(rounded_.options())) {
    torch::mul_out(leaf_, rounded_, planes_.scale);
  } else {
    leaf_ = rounded_.mul(planes_.scale).set_requires_grad(true);
  }
}

void PlaneWeight::keep_values_in(const torch::Tensor& rounded, const torch::Tensor& value) {
  torch::NoGradGuard no_grad;
  rounded.copy_(rounded_);
  value.copy_(leaf_);
  rounded_ = rounded;
  leaf_.set_data(value);
}

std::optional<Codes> PlaneWeight::codes() const {
  torch::NoGradGuard no_grad;
  Codes codes;
  codes.integers = rounded_.mul(static_cast<double>(max_integer(bits()))).round_().to(torch::kInt32);
  codes.scale = planes_.scale.detach();
  codes.format = sign_magnitude(bits());
  drop_bits_if_zero(codes);
  return codes;
}

StoredTensor PlaneWeight::store() const {
  torch::NoGradGuard no_grad;
  const auto plain = [](const torch::Tensor& tensor) { return tensor.detach().clone().cpu().contiguous(); };
  StoredTensor stored;
  stored.scale = plain(planes_.scale);
  stored.format = sign_magnitude(bits());
  stored.bits = codes()->format.bits;
  // Codes without a digit would not tell how many planes there are.
  if (is_sign_magnitude(planes_) && (stored.bits > 0 || bits() == kMinBits)) {
    stored.encoding = Encoding::kCodes;
    stored.value = plain(plane_sum(planes_.positive, planes_.negative)).to(torch::kInt32);
    stored.format = sign_magnitude(stored.bits);
  } else {
    stored.encoding = Encoding::kPlanes;
    stored.source = kKind;
    stored.positive = plain(planes_.positive);
    stored.negative = plain(planes_.negative);
  }
  return stored;
}

std::unique_ptr<WeightSource> PlaneWeight::load(const StoredTensor& stored,
                                                const torch::TensorOptions& options) {
  if (stored.encoding != Encoding::kPlanes) {
    throw std::invalid_argument("no bit planes; expected them of this kind of weight");
  }
  return std::make_unique<PlaneWeight>(
      BitPlanes{stored.positive.to(options), stored.negative.to(options), stored.scale.to(options)});
}

std::unique_ptr<WeightSource> PlaneWeight::clone() const {
  return std::make_unique<PlaneWeight>(
      BitPlanes{planes_.positive.contiguous(), planes_.negative.contiguous(), planes_.scale});
}

}  // namespace bsq
