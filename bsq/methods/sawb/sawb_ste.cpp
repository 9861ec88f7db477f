#include "bsq/methods/sawb/sawb_ste.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include "bsq/quant/codes.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What goes through the clip to every weight of a channel.
torch::Tensor through_clip(const torch::Tensor& gradient, const torch::Tensor& weight,
                           const torch::Tensor& clip, int64_t bits) {
  const auto limit = along_channels(clip, weight);
  const auto beyond = gradient.mul(weight.gt(limit)).sub_(gradient.mul(weight.lt(limit.neg())));
  const auto of_clip = beyond.reshape({weight.size(0), -1}).sum(/*dim=*/1, /*keepdim=*/true, torch::kFloat64);
  // Where no weight is clipped, the slope may be no number.
  const auto slope = sawb_clip_slope(weight, bits) * of_clip;
  return torch::where(of_clip != 0, slope, torch::zeros_like(slope))
      .reshape(weight.sizes())
      .to(gradient.scalar_type());
}

struct Sawb : torch::autograd::Function<Sawb> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& weight, int64_t bits,
                               bool is_channel, const torch::Tensor& clip) {
    context->save_for_backward({weight, clip});
    context->saved_data["bits"] = bits;
    context->saved_data["channel"] = is_channel;
    return sawb_integers(weight, clip, bits).mul_(along_channels(sawb_scale(clip, bits), weight));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& weight = saved[0];
    const auto& clip = saved[1];
    const auto limit = along_channels(clip, weight);
    const auto is_inside = weight.abs().le(limit).logical_and_(limit.ge(kSmallestClip));
    auto of_weight = gradients[0] * is_inside;
    if (context->saved_data["channel"].toBool()) {
      of_weight.add_(through_clip(gradients[0], weight, clip, context->saved_data["bits"].toInt()));
    }
    return {of_weight, torch::Tensor(), torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor sawb_integers(const torch::Tensor& weight, const torch::Tensor& clip, int64_t bits) {
  torch::NoGradGuard no_grad;
  const auto limit = along_channels(clip, weight);
  const auto steps = torch::full_like(limit, static_cast<double>(sawb_levels(bits))).div_(limit);
  const auto per_unit = torch::where(limit < kSmallestClip, torch::zeros_like(steps), steps);
  return torch::minimum(torch::maximum(weight.detach(), limit.neg()), limit).mul_(per_unit).round_();
}

torch::Tensor sawb_scale(const torch::Tensor& clip, int64_t bits) {
  const auto scale = clip.div(static_cast<double>(sawb_levels(bits)));
  return torch::where(clip < kSmallestClip, torch::ones_like(scale), scale);
}

torch::Tensor sawb_ste(const torch::Tensor& weight, int64_t bits, SawbKind kind) {
  return Sawb::apply(weight, bits, kind == SawbKind::kChannel, sawb_clip(weight, bits, kind));
}

}  // namespace bsq
