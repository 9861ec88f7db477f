#include "bsq/nn/bit_parameter.h"

#include <algorithm>
#include <stdexcept>

#include "bsq/methods/bsq/conversion.h"
#include "bsq/methods/bsq/plane_kernels.h"
#include "bsq/methods/bsq/precision_adjustment.h"
#include "bsq/methods/bsq/reconstruction.h"

namespace bsq {
namespace {

const char* name_of(Representation representation) {
  switch (representation) {
    case Representation::kFloat:
      return "float";
    case Representation::kBits:
      return "in bits";
    default:
      return "frozen";
  }
}

torch::Tensor signed_integers(const torch::Tensor& q, int64_t bits) {
  return round_value(q, bits).mul_(static_cast<double>(max_integer(bits))).round_();
}

torch::Tensor trainable(const torch::Tensor& tensor) {
  return tensor.detach().clone().set_requires_grad(true);
}

}  // namespace

BitParameter::BitParameter(torch::Tensor weight) : shape_(weight.sizes().vec()), weight_(std::move(weight)) {}

int64_t BitParameter::numel() const { return c10::multiply_integers(shape_); }

int64_t BitParameter::bits() const {
  switch (representation_) {
    case Representation::kBits:
      return planes_.bits();
    case Representation::kFrozen:
      return frozen_bits_;
    default:
      return 0;
  }
}

torch::Tensor BitParameter::value() {
  if (representation_ == Representation::kFloat) {
    return weight_;
  }
  if (representation_ == Representation::kBits) {
    return planes_value();
  }
  return frozen_bits_ == 0 ? weight_ : round_value_ste(weight_, frozen_bits_) * frozen_scale_;
}

torch::Tensor BitParameter::planes_value() {
  if (gradient_mode_ == GradientMode::kPlanes) {
    return reconstruct_ste(planes_.positive, planes_.negative, planes_.scale);
  }
  rounded_value_ = rounded_plane_value(planes_);
  const auto weight = rounded_value_ * planes_.scale.detach();
  if (torch::GradMode::is_enabled()) {
    weight_leaf_ = weight.set_requires_grad(true);
  }
  return weight;
}

torch::Tensor BitParameter::weight_gradient() const {
  return weight_leaf_.defined() ? weight_leaf_.grad() : torch::Tensor();
}

void BitParameter::require(Representation wanted, const char* operation) const {
  if (representation_ != wanted) {
    throw std::logic_error(std::string(operation) + ": the tensor is " + name_of(representation_) +
                           "; expected one that is " + name_of(wanted));
  }
}

void BitParameter::convert(int64_t bits) {
  require(Representation::kFloat, "conversion");
  set_planes(to_bit_planes(weight_, bits));
}

void BitParameter::set_planes(BitPlanes planes) {
  planes.check("bit planes");
  if (planes.positive.sizes().slice(1) != at::IntArrayRef(shape_)) {
    throw std::invalid_argument("bit planes of shape " + c10::str(planes.positive.sizes().slice(1)) +
                                "; expected " + c10::str(at::IntArrayRef(shape_)));
  }
  planes_ = {trainable(planes.positive), trainable(planes.negative), trainable(planes.scale)};
  representation_ = Representation::kBits;
  weight_ = frozen_scale_ = torch::Tensor();
  frozen_bits_ = 0;
  clear_weight_gradient();
}

void BitParameter::freeze() {
  require(Representation::kBits, "freezing");
  torch::NoGradGuard no_grad;
  frozen_bits_ = is_all_zero(planes_) ? 0 : planes_.bits();
  weight_ = plane_value(planes_.positive, planes_.negative).clamp_(-1, 1).set_requires_grad(frozen_bits_ > 0);
  frozen_scale_ = planes_.scale.detach().clone().set_requires_grad(frozen_bits_ > 0);
  planes_ = {};
  clear_weight_gradient();
  representation_ = Representation::kFrozen;
}

void BitParameter::unfreeze() {
  require(Representation::kFrozen, "unfreezing");
  torch::NoGradGuard no_grad;
  const int64_t bits = frozen_bits_ == 0 ? 1 : frozen_bits_;
  set_planes(planes_of(signed_integers(weight_, bits), bits, frozen_scale_));
}

void BitParameter::make_float() {
  torch::NoGradGuard no_grad;
  weight_ = trainable(value());
  planes_ = {};
  frozen_scale_ = torch::Tensor();
  frozen_bits_ = 0;
  clear_weight_gradient();
  representation_ = Representation::kFloat;
}

BitPlanes& BitParameter::planes() {
  require(Representation::kBits, "planes");
  return planes_;
}

const BitPlanes& BitParameter::planes() const {
  require(Representation::kBits, "planes");
  return planes_;
}

torch::Tensor BitParameter::scale() const {
  return representation_ == Representation::kBits ? planes_.scale : frozen_scale_;
}

StoredTensor BitParameter::store() const {
  const auto plain = [](const torch::Tensor& t) { return t.detach().clone().cpu().contiguous(); };
  StoredTensor stored;
  stored.bits = bits();
  if (representation_ == Representation::kFloat) {
    stored.value = plain(weight_);
    return stored;
  }
  stored.scale = plain(scale());
  if (representation_ == Representation::kFrozen) {
    stored.encoding = Encoding::kFrozen;
    stored.value = plain(weight_);
  } else if (is_sign_magnitude(planes_)) {
    torch::NoGradGuard no_grad;
    stored.encoding = Encoding::kBinary;
    stored.value = plain(plane_sum(planes_.positive, planes_.negative)).to(torch::kInt32);
  } else {
    stored.encoding = Encoding::kPlanes;
    stored.positive = plain(planes_.positive);
    stored.negative = plain(planes_.negative);
  }
  return stored;
}

void BitParameter::load_frozen(const StoredTensor& stored, const torch::TensorOptions& options) {
  const bool has_bits = stored.bits > 0;
  weight_ = stored.value.to(options).clone().set_requires_grad(has_bits);
  frozen_scale_ = stored.scale.to(options).clone().set_requires_grad(has_bits);
  frozen_bits_ = stored.bits;
  planes_ = {};
  clear_weight_gradient();
  representation_ = Representation::kFrozen;
}

void BitParameter::load(const std::string& name, const StoredTensor& stored) {
  torch::NoGradGuard no_grad;
  const auto found =
      stored.encoding == Encoding::kPlanes ? stored.positive.sizes().slice(1) : stored.value.sizes();
  if (found != at::IntArrayRef(shape_)) {
    throw std::invalid_argument(name + ": shape " + c10::str(found) + "; expected " +
                                c10::str(at::IntArrayRef(shape_)));
  }
  const auto options = (weight_.defined() ? weight_ : planes_.scale).options().requires_grad(false);
  if (stored.bits != 0) {
    check_bits(name, stored.bits);
  }
  switch (stored.encoding) {
    case Encoding::kFloat:
      make_float();
      weight_ = trainable(stored.value.to(options));
      return;
    case Encoding::kBinary: {
      const int64_t bits = std::max(stored.bits, kMinBits);
      set_planes(planes_of(stored.value.to(options.device()), bits, stored.scale.to(options)));
      return;
    }
    case Encoding::kPlanes: {
      const BitPlanes planes{stored.positive.to(options), stored.negative.to(options),
                             stored.scale.to(options)};
      planes.check(name);
      set_planes(planes);
      return;
    }
    case Encoding::kFrozen:
      load_frozen(stored, options);
      return;
  }
}

}  // namespace bsq
