#include "bsq/quant/quantizer.h"

#include <torch/utils.h>

#include <limits>

namespace bsq {
Quantizer::Limits Quantizer::limits() const {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  return {-kNone, kNone, /*is_trained=*/true};
}

GridQuantizer::GridQuantizer(const CodeFormat& format, const torch::Tensor& scale,
                             const torch::Tensor& offset)
    : format_(format),
      scale_(scale.detach().clone().set_requires_grad(format.bits > 0)),
      offset_(offset.defined() ? offset.detach().clone() : torch::Tensor()) {
  check_format(format);
}

torch::Tensor GridQuantizer::forward(const torch::Tensor& q) const {
  if (format_.bits == 0) {
    return q;
  }
  const auto value = round_to_grid_ste(q, format_) * along_channels(scale_, q);
  return offset_.defined() ? value + along_channels(offset_, q) : value;
}

Codes GridQuantizer::codes(const torch::Tensor& q) const {
  torch::NoGradGuard no_grad;
  const auto levels = static_cast<double>(format_.levels);
  Codes codes;
  codes.integers =
      (format_.bits == 0 ? torch::zeros_like(q) : round_to_grid(q, format_).mul_(levels).round_())
          .to(torch::kInt32);
  codes.scale = scale_.detach();
  codes.format = format_;
  codes.offset = offset_;
  return codes;
}

Slots GridQuantizer::slots() const {
  Slots slots = {{"scale", scale_}};
  if (offset_.defined()) {
    slots.push_back({"offset", offset_, Slot::Role::kTracked});
  }
  return slots;
}

Quantizer::Limits GridQuantizer::limits() const {
  const auto levels = static_cast<double>(format_.levels);
  return {static_cast<double>(format_.low) / levels, static_cast<double>(format_.high()) / levels,
          /*is_trained=*/format_.bits > 0};
}

std::unique_ptr<Quantizer> GridQuantizer::clone() const {
  return std::make_unique<GridQuantizer>(format_, scale_, offset_);
}

}  // namespace bsq
