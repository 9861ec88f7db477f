#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/utils.h>

#include <cmath>
#include <regex>

#include "bsq/methods/methods.h"
#include "bsq/methods/profit/duq_activation.h"
#include "bsq/methods/profit/duq_quantizer.h"
#include "bsq/methods/profit/instability.h"
#include "bsq/methods/profit/profit_optimizer.h"
#include "bsq/nn/master_weight.h"
#include "bsq/nn/quant_linear.h"
#include "bsq/quant/activation_quantizer.h"
#include "tests/golden/golden_file.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr double kStepTolerance = 1e-8;

void expect_close(const torch::Tensor& ours, const torch::Tensor& golden, const std::string& what) {
  ASSERT_EQ(ours.numel(), golden.numel()) << what;
  const double size = std::max(golden.abs().max().item<double>(), 1e-12);
  const auto difference = (ours.detach().view(golden.sizes()) - golden).abs().max().item<double>();
  EXPECT_LE(difference, kStepTolerance * size) << what;
}

// A layer's quantizer of these bits; a and c are filled from the file.
std::unique_ptr<WeightSource> quantized(const torch::Tensor& weight, int64_t bits) {
  const auto zero = torch::zeros({}, torch::kFloat64);
  return std::make_unique<MasterWeight>(weight, std::make_unique<DuqQuantizer>(bits, zero, zero));
}

// The network that the file describes: a convolution, a depthwise one of stride 2, a pointwise one, each with
// norm, ReLU and quantizer, the mean over the map, a linear layer.
class AiwqNetwork : public Network {
 public:
  AiwqNetwork(const GoldenFile& golden, int64_t bits) : Network(NetworkDescription()) {
    for (int64_t i = 0; i < 3; ++i) {
      const auto number = std::to_string(i);
      const auto weight = golden.tensor("aiwq/initial/conv" + number + ".weight");
      const int64_t groups = i == 1 ? weight.size(0) : 1;
      const auto options = QuantConv2dOptions(weight.size(1) * groups, weight.size(0), weight.size(2))
                               .stride(i == 1 ? 2 : 1)
                               .padding(weight.size(2) / 2)
                               .groups(groups)
                               .bias(false);
      convs_.push_back(register_module("conv" + number, QuantConv2d(options)));
      norms_.push_back(register_module("bn" + number, torch::nn::BatchNorm2d(weight.size(0))));
      activations_.push_back(
          register_module("act" + number, ActivationQuantizer(std::make_unique<DuqActivation>(bits))));
      convs_.back()->set_weight(quantized(weight, bits));
    }
    const auto weight = golden.tensor("aiwq/initial/fc.weight");
    fc_ = register_module("fc", QuantLinear(weight.size(1), weight.size(0)));
    fc_->set_weight(quantized(weight, bits));
    to(torch::kFloat64);
    torch::NoGradGuard no_grad;
    auto own = tensors();
    for (const auto& name : golden.members("aiwq/initial")) {
      own.at(name).copy_(golden.tensor("aiwq/initial/" + name).view(own.at(name).sizes()));
    }
  }

  torch::Tensor forward(const torch::Tensor& images) override {
    auto x = images;
    for (size_t i = 0; i < convs_.size(); ++i) {
      x = activations_[i](norms_[i](convs_[i](x)).relu());
    }
    return fc_(x.mean({2, 3}));
  }

  std::map<std::string, torch::Tensor> tensors() {
    std::map<std::string, torch::Tensor> all;
    for (const auto& item : named_parameters()) {
      all[item.key()] = item.value().detach();
    }
    for (const auto& item : named_buffers()) {
      all[item.key()] = item.value();
    }
    return all;
  }

 private:
  std::vector<QuantConv2d> convs_;
  std::vector<torch::nn::BatchNorm2d> norms_;
  std::vector<ActivationQuantizer> activations_;
  QuantLinear fc_{nullptr};
};

TEST(AiwqGolden, StepsMoveOutputsAsPublished) {
  const auto path = golden_methods_path("profit.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the golden folder of methods is missing";
  }
  const GoldenFile golden(path);
  const auto number = [&](const char* attribute) { return golden.number("aiwq", attribute); };
  ASSERT_NEAR(number("lr_quantizers"), 0.01 * number("lr"), 1e-12);
  AiwqNetwork network(golden, static_cast<int64_t>(number("bits")));
  const auto optimizer = make_profit_optimizer(network, {number("momentum"), number("weight_decay")},
                                               /*weights_rest=*/false, /*frozen=*/{});
  InstabilityMeter meter(network);
  network.train();
  meter.start();
  const auto images = golden.tensor("aiwq/images"), metric = golden.tensor("aiwq/metric");
  const auto labels = golden.tensor("aiwq/labels").to(torch::kInt64);
  const auto entropies = golden.tensor("aiwq/cross_entropy");
  const auto batch = static_cast<int64_t>(number("batch"));
  for (int64_t t = 0; t < static_cast<int64_t>(number("steps")); ++t) {
    const auto what = "step " + std::to_string(t);
    expect_close(meter.metric(), metric[t], what + " metric");
    optimizer->zero_grad();
    const auto loss = torch::nn::functional::cross_entropy(
        network.forward(images.slice(/*dim=*/0, t * batch, (t + 1) * batch)),
        labels.slice(/*dim=*/0, t * batch, (t + 1) * batch));
    expect_close(loss, entropies[t], what + " loss");
    loss.backward();
    optimizer->step(number("lr"));
    meter.end_step();
  }
  expect_close(meter.metric(), metric[metric.size(0) - 1], "metric");
  const auto own = network.tensors();
  for (const auto& name : golden.members("aiwq/after")) {
    expect_close(own.at(name), golden.tensor("aiwq/after/" + name), name);
  }
}

TEST(AiwqGolden, SingleDivergencesAreThePublishedOnes) {
  const auto path = golden_methods_path("profit.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the golden folder of methods is missing";
  }
  const GoldenFile golden(path);
  int compared = 0;
  for (const auto& name : golden.members("aiwq")) {
    if (!std::regex_match(name, std::regex("conv2_step\\d+"))) {
      continue;
    }
    const auto group = "aiwq/" + name;
    const auto before = torch::conv2d(golden.tensor(group + "/input"), golden.tensor(group + "/weight_old"));
    const auto divergence = output_divergence(golden.tensor(group + "/output"), before);
    const auto expected = golden.tensor(group + "/kl").item<double>();
    EXPECT_NEAR(divergence, expected, 1e-9 * std::abs(expected)) << name;
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace bsq::test
