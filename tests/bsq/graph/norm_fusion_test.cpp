#include "bsq/graph/norm_fusion.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/graph/graph_network.h"
#include "bsq/nn/fixed_bits.h"
#include "bsq/nn/network_state.h"
#include "bsq/nn/norm_factory.h"
#include "tests/bsq/methods/bsq/support.h"
#include "tests/bsq/nn/halving_norm.h"

namespace bsq::test {
namespace {

// With everything that a fusion meets: a stride, groups, a bias, a sum, a shortcut, a layer without a norm.
Value flow(Builder& b, Value image) {
  const auto x = b.relu(b.norm("bn1", b.conv("conv1", image, /*planes=*/8, /*kernel=*/3)));
  const auto y = b.norm("bn2", b.conv("conv2", x, ConvOptions(8, 3).stride(2).groups(8).bias(true)));
  const auto z = b.norm("bn3", b.conv("conv3", x, ConvOptions(8, 1).stride(2)));
  const auto w = b.relu(b.conv("conv4", b.relu(b.add(y, z)), ConvOptions(4, 3)));
  return b.linear("fc", b.global_average_pool(w), b.description().classes);
}

GraphNetwork network_of(const Flow& network_flow, const std::string& norm = kBatchNorm) {
  NetworkDescription description;
  description.classes = 3;
  description.activation_bits = 0;
  description.norm = norm;
  return {description, network_flow};
}

void draw_norms(torch::nn::Module& network) {
  torch::NoGradGuard no_grad;
  for (const auto& module : network.modules(/*include_self=*/false)) {
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) {
      norm->weight.normal_();
      norm->bias.normal_();
      norm->running_mean.normal_();
      norm->running_var.uniform_(0.1, 2);
    }
  }
}

torch::Tensor evaluated(GraphNetwork& network, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  network.eval();
  return network.forward(x);
}

void expect_same_values(GraphNetwork& network) {
  network.to(torch::kFloat64);
  const auto x = torch::randn({3, 3, 9, 9}, torch::kFloat64);
  auto fused = network_of(flow, kNoNorm);
  fused.to(torch::kFloat64);
  load_network(fused, fuse_norms(*network.program(), codes_of_network(network)));
  EXPECT_TRUE(torch::allclose(evaluated(fused, x), evaluated(network, x), 1e-11, 1e-11));
  EXPECT_TRUE(fused.named_buffers().is_empty()) << "no running statistics";
}

TEST(NormFusion, KeepsEveryValue) {
  torch::manual_seed(1);
  auto floats = network_of(flow);
  draw_norms(floats);
  expect_same_values(floats);
  for (const int64_t bits : {1, 4, 8}) {
    auto network = network_of(flow);
    draw_norms(network);
    to_fixed_bits(network, LayerRules(bits));
    expect_same_values(network);
  }
}

TEST(NormFusion, KeepsIntegersAndGivesEachChannelAScale) {
  torch::manual_seed(2);
  auto network = network_of(flow);
  draw_norms(network);
  network.named_parameters()["bn1.weight"].detach()[5] = 0;
  to_fixed_bits(network, LayerRules(4));
  const auto before = codes_of_network(network);
  const auto after = fuse_norms(*network.program(), before);
  const auto entry = [](const NetworkState& state, const std::string& name) {
    for (const auto& [own, stored] : state) {
      if (own == name) {
        return stored;
      }
    }
    ADD_FAILURE() << "no " << name;
    return StoredTensor();
  };
  for (const std::string name : {"conv1.weight", "conv2.weight", "conv3.weight"}) {
    const auto codes = entry(before, name), fused = entry(after, name);
    EXPECT_EQ(fused.scale.numel(), codes.value.size(0)) << name;
    for (int64_t channel = 0; channel < codes.value.size(0); ++channel) {
      const bool is_dead = name == "conv1.weight" && channel == 5;
      EXPECT_TRUE(torch::equal(fused.value[channel],
                               is_dead ? torch::zeros_like(codes.value[channel]) : codes.value[channel]));
      EXPECT_NE(fused.scale[channel].item<float>(), 0) << "finetuning divides by it";
    }
  }
  EXPECT_EQ(entry(after, "conv4.weight").scale.dim(), 0) << "no norm behind it";
  EXPECT_EQ(entry(after, "conv2.bias").encoding, Encoding::kFloat);
}

std::string refusal_of(const Flow& other, const std::string& norm = kBatchNorm) {
  auto network = network_of(other, norm);
  return message_of<std::invalid_argument>(
      [&] { fuse_norms(*network.program(), codes_of_network(network)); });
}

TEST(NormFusion, RefusesWhatItCannotDo) {
  const auto end = [](Builder& b, Value x) {
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  };
  EXPECT_EQ(refusal_of([&](Builder& b, Value image) { return end(b, b.norm("bn", image)); }),
            "bn: reads input; expected a convolution that it can go into");
  EXPECT_EQ(refusal_of([&](Builder& b, Value image) {
              const auto x = b.conv("conv", image, 4, 3);
              return end(b, b.add(x, b.norm("bn", x)));
            }),
            "bn: conv has other readers too; expected the norm alone");
  EXPECT_EQ(refusal_of([&](Builder& b, Value image) { return end(b, b.conv("conv", image, 4, 3)); }),
            "has no batch norm; expected one or more");
  register_halving_norm();
  EXPECT_EQ(refusal_of(flow, "halving"), "bn1: a norm of another kind; expected batch norm");
}

TEST(NormFusion, ANetworkWithoutNormsNeedsConvolutionsInFrontOfThem) {
  EXPECT_EQ(message_of<std::invalid_argument>(
                [] { network_of([](Builder& b, Value image) { return b.norm("bn", image); }, kNoNorm); }),
            "bn: reads input; expected a convolution, as the network is to have no norms");
}

}  // namespace
}  // namespace bsq::test
