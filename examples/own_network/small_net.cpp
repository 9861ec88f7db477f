// A network of one's own: four convolutions, batch norm and quantized activations, and a linear layer. The
// file registers it, so that every program that it is linked to builds it for `-a small_net`.
#include <torch/torch.h>

#include "bsq/graph/norm_activation.h"
#include "bsq/nn/bit_conv2d.h"
#include "bsq/nn/bit_linear.h"
#include "models/registry.h"

namespace {

class SmallNetImpl : public bsq::Network {
 public:
  explicit SmallNetImpl(const bsq::NetworkDescription& description) : Network(description) {
    int64_t planes = 3;
    for (const int64_t out : {16, 32, 32, 64}) {
      const auto index = std::to_string(convolutions_->size());
      const int64_t stride = planes == 3 ? 1 : 2;
      convolutions_->push_back(
          bsq::BitConv2d(bsq::BitConv2dOptions(planes, out, 3).stride(stride).padding(1).bias(false)));
      norms_.push_back(register_module("norm" + index, torch::nn::BatchNorm2d(out)));
      activations_.push_back(register_module("activation" + index, bsq::make_activation(description)));
      planes = out;
    }
    register_module("conv", convolutions_);
    fc_ = register_module("fc", bsq::BitLinear(planes, description.classes));
  }

  torch::Tensor forward(const torch::Tensor& images) override {
    auto x = images;
    for (size_t i = 0; i < norms_.size(); ++i) {
      x = bsq::normalize_activate(norms_[i], activations_[i],
                                  convolutions_[i]->as<bsq::BitConv2d>()->forward(x));
    }
    return fc_(x.mean({2, 3}, /*keepdim=*/false, torch::kFloat32));
  }

 private:
  torch::nn::ModuleList convolutions_;
  std::vector<torch::nn::BatchNorm2d> norms_;
  std::vector<bsq::ActivationQuantizer> activations_;
  bsq::BitLinear fc_{nullptr};
};

const bsq::NetworkRegistration<SmallNetImpl> kRegistration("small_net");

}  // namespace
