#include <torch/csrc/autograd/autograd.h>
#include <torch/utils.h>

#include <string>
#include <utility>
#include <vector>

#include "bsq/graph/folded_norm.h"
#include "bsq/methods/profit/duq_quantizer.h"
#include "bsq/methods/profit/duq_ste.h"
#include "bsq/methods/sawb/pact_clip_ste.h"
#include "bsq/methods/sawb/sawb_quantizer.h"
#include "tests/golden/golden_file.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr double kFusionTolerance = 1e-9;

void expect_fusion(const torch::Tensor& ours, const torch::Tensor& golden, const std::string& what) {
  ASSERT_EQ(ours.sizes(), golden.sizes()) << what;
  const double size = std::max(golden.abs().max().item<double>(), 1e-12);
  EXPECT_LE((ours - golden).abs().max().item<double>(), kFusionTolerance * size) << what;
}

/// Does not round.
class NoQuantizer : public Quantizer {
 public:
  std::string kind() const override { return "none"; }
  torch::Tensor forward(const torch::Tensor& x) const override { return x; }
  Codes codes(const torch::Tensor& /*x*/) const override { throw std::logic_error("no codes"); }
  CodeFormat format() const override { return twos_complement(8); }
  std::unique_ptr<Quantizer> clone() const override { return std::make_unique<NoQuantizer>(); }
};

std::unique_ptr<Quantizer> quantizer_of(const GoldenFile& golden, const std::string& name) {
  if (!golden.has_attribute(name, "wbit")) {
    return std::make_unique<NoQuantizer>();
  }
  const auto bits = static_cast<int64_t>(golden.number(name, "wbit"));
  const bool is_channel_wise = golden.number(name, "channel_wise") != 0;
  if (!golden.has_attribute(name, "a_w")) {
    return std::make_unique<SawbQuantizer>(bits, is_channel_wise ? SawbKind::kChannel : SawbKind::kLayer);
  }
  const std::vector<int64_t> shape(is_channel_wise ? 1 : 0,
                                   static_cast<int64_t>(golden.number(name, "out_channels")));
  return std::make_unique<DuqQuantizer>(bits, torch::full(shape, golden.number(name, "a_w"), torch::kFloat64),
                                        torch::full(shape, golden.number(name, "c_w"), torch::kFloat64));
}

torch::Tensor trained_number(const GoldenFile& golden, const std::string& name, const char* attribute) {
  return torch::full({}, golden.number(name, attribute), torch::kFloat64).set_requires_grad(true);
}

/// A case of the file as our layer, norm and quantizer of activations.
struct FusionCase {
  QuantConv2d layer{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
  torch::Tensor input, weight;
  torch::Tensor alpha;  // of PACT
  torch::Tensor a, c;   // of DuQ's activation
  int64_t activation_bits = 0;

  FusionCase(const GoldenFile& golden, const std::string& name);
  const FoldedWeight& folded() { return *folded_weight(*layer); }
  /// The published quantizers of activations let an image pass.
  bool has_activation() const { return activation_bits > 0 && input.size(1) > 3; }
  torch::Tensor activated(const torch::Tensor& x) const;
  /// What has a gradient, by its name in the file.
  std::vector<std::pair<std::string, torch::Tensor>> trained();
};

torch::Tensor FusionCase::activated(const torch::Tensor& x) const {
  if (!has_activation()) {
    return x;
  }
  return alpha.defined() ? pact_clip_ste(x, alpha, activation_bits)
                         : duq_ste(x, a, c, duq_activation_grid(activation_bits));
}

std::vector<std::pair<std::string, torch::Tensor>> FusionCase::trained() {
  std::vector<std::pair<std::string, torch::Tensor>> found = {
      {"dx", input}, {"d_weight", weight}, {"d_gamma", norm->weight}, {"d_beta", norm->bias}};
  for (const auto& slot : layer->weight_source().slots()) {
    if (slot.name == "a" || slot.name == "c") {
      found.emplace_back("d_WQ_" + slot.name, slot.tensor);
    }
  }
  if (has_activation() && alpha.defined()) {
    found.emplace_back("d_AQ_alpha", alpha);
  } else if (has_activation()) {
    found.insert(found.end(), {{"d_AQ_a", a}, {"d_AQ_c", c}});
  }
  return found;
}

FusionCase::FusionCase(const GoldenFile& golden, const std::string& name) {
  const auto number = [&](const char* attribute) {
    return static_cast<int64_t>(golden.number(name, attribute));
  };
  const auto channels = number("out_channels");
  layer = QuantConv2d(QuantConv2dOptions(number("in_channels"), channels, number("kernel"))
                          .stride(number("stride"))
                          .padding(number("padding"))
                          .groups(number("groups"))
                          .bias(false));
  norm = torch::nn::BatchNorm2d(torch::nn::BatchNormOptions(channels)
                                    .eps(golden.number(name, "eps"))
                                    .momentum(golden.number(name, "momentum")));
  layer->to(torch::kFloat64);
  norm->to(torch::kFloat64);
  torch::NoGradGuard no_grad;
  norm->weight.copy_(golden.tensor(name + "/gamma"));
  norm->bias.copy_(golden.tensor(name + "/beta"));
  norm->running_mean.copy_(golden.tensor(name + "/running_mean"));
  norm->running_var.copy_(golden.tensor(name + "/running_var"));
  layer->set_weight(std::make_unique<FoldedWeight>(golden.tensor(name + "/weight"),
                                                   quantizer_of(golden, name), norm_gain(*norm)));
  weight = layer->weight_source().slots()[0].tensor;
  input = golden.tensor(name + "/input").set_requires_grad(true);
  if (golden.has_attribute(name, "alpha_init")) {
    alpha = trained_number(golden, name, "alpha_init");
    activation_bits = number("abit");
  } else if (golden.has_attribute(name, "a_x")) {
    a = trained_number(golden, name, "a_x");
    c = trained_number(golden, name, "c_x");
    activation_bits = number("abit");
  }
}

void expect_evaluation(const GoldenFile& golden, const std::string& name) {
  torch::NoGradGuard no_grad;
  FusionCase unit(golden, name);
  const auto x = unit.activated(unit.input);
  const auto expected = golden.tensor(name + "/eval_output");
  const auto gain = norm_gain(*unit.norm);
  const auto shift = unit.norm->bias - gain * unit.norm->running_mean;
  expect_fusion(unit.layer->convolve(x, unit.folded().folded_value(gain), shift), expected,
                name + " evaluation");
  if (golden.has_attribute(name, "wbit")) {  // and what a network computes
    unit.norm->eval();
    expect_fusion(unit.norm->forward(unit.layer->forward(x)), expected, name + " layer and norm");
  }
}

// The numbers of a correct float fusion.
void expect_plain_training(const GoldenFile& golden, const std::string& name) {
  FusionCase unit(golden, name);
  const auto y = folded_conv_norm(*unit.layer, *unit.norm, unit.input);
  expect_fusion(y.detach(), golden.tensor(name + "/plain/train_output"), name + " training");
  expect_fusion(unit.norm->running_mean, golden.tensor(name + "/plain/running_mean"), name + " R");
  expect_fusion(unit.norm->running_var, golden.tensor(name + "/plain/running_var"), name + " V");
}

/// Training written out. As published: beta and R times r/b, the variance N-1, the activation quantized
/// twice.
struct Written {
  torch::Tensor output, running_mean, running_var;
};

Written written_training(FusionCase& unit, bool is_published) {
  const auto along = [](const torch::Tensor& numbers) { return numbers.view({1, -1, 1, 1}); };
  const auto& norm = *unit.norm;
  const double eps = norm.options.eps(), share = *norm.options.momentum();
  const auto x = unit.activated(unit.input);
  const auto o = unit.layer->convolve(x, unit.folded().plain_value(), {});
  const auto mean = o.mean({0, 2, 3}), unbiased = o.var({0, 2, 3}, /*unbiased=*/true);
  const auto variance = is_published ? unbiased : o.var({0, 2, 3}, /*unbiased=*/false);
  Written written;
  written.running_mean = (norm.running_mean * (1 - share) + mean * share).detach();
  written.running_var = (norm.running_var * (1 - share) + unbiased * share).detach();
  const auto r = (written.running_var + eps).sqrt(), b = (variance + eps).sqrt();
  const auto folded = unit.folded().folded_value(norm.weight / r);
  const auto& R = written.running_mean;
  if (!is_published) {
    written.output =
        unit.layer->convolve(x, folded, {}) * along(r / b) + along(norm.bias - norm.weight * mean / b);
    return written;
  }
  const auto inner = unit.layer->convolve(unit.activated(x), folded, norm.bias - norm.weight * R / r);
  written.output = inner * along(r / b) + along(norm.weight * (R / r - mean / b));
  return written;
}

std::vector<torch::Tensor> gradients_of(FusionCase& unit, const torch::Tensor& output,
                                        const torch::Tensor& r) {
  std::vector<torch::Tensor> of;
  for (const auto& [name, tensor] : unit.trained()) {
    of.push_back(tensor);
  }
  return torch::autograd::grad({(output * r).sum()}, of);
}

// The written form is the published one but for its errors...
void expect_published_written_out(const GoldenFile& golden, const std::string& name) {
  FusionCase unit(golden, name);
  const auto group = name + "/train_published/";
  const auto written = written_training(unit, /*is_published=*/true);
  expect_fusion(written.output.detach(), golden.tensor(group + "output"), group + "output");
  expect_fusion(written.running_mean, golden.tensor(group + "running_mean"), group + "R");
  expect_fusion(written.running_var, golden.tensor(group + "running_var"), group + "V");
  const auto gradients = gradients_of(unit, written.output, golden.tensor(name + "/r"));
  const auto trained = unit.trained();
  for (size_t i = 0; i < gradients.size(); ++i) {
    const auto name_of = group + trained[i].first;
    expect_fusion(gradients[i], golden.tensor(name_of).view(gradients[i].sizes()), name_of);
  }
}

// ... and ours without them.
void expect_training(const GoldenFile& golden, const std::string& name) {
  FusionCase unit(golden, name);
  const auto r = golden.tensor(name + "/r");
  const auto written = written_training(unit, /*is_published=*/false);
  const auto expected = gradients_of(unit, written.output, r);
  const auto y = folded_conv_norm(*unit.layer, *unit.norm, unit.activated(unit.input));
  expect_fusion(y.detach(), written.output.detach(), name + " training");
  const auto found = gradients_of(unit, y, r);
  for (size_t i = 0; i < found.size(); ++i) {
    expect_fusion(found[i], expected[i], name + " gradient " + std::to_string(i));
  }
  // What the published training tracks is right.
  expect_fusion(unit.norm->running_mean, golden.tensor(name + "/train_published/running_mean"), name + " R");
  expect_fusion(unit.norm->running_var, golden.tensor(name + "/train_published/running_var"), name + " V");
}

template <typename Expect>
void for_every_fusion(Expect expect) {
  const auto path = golden_methods_path("bn_fusion.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the golden folder of methods is missing";
  }
  const GoldenFile golden(path);
  for (const auto& group : golden.members("/")) {
    const auto members = golden.members(group);
    EXPECT_FALSE(members.empty()) << group;
    for (const auto& member : members) {
      expect(golden, group + "/" + member);
    }
  }
}

TEST(BnFusionGolden, Evaluation) { for_every_fusion(expect_evaluation); }

TEST(BnFusionGolden, FloatTrainingIsConvolutionAndBatchNorm) {
  int cases = 0;
  for_every_fusion([&](const GoldenFile& golden, const std::string& name) {
    if (golden.has(name + "/plain")) {
      ++cases;
      expect_plain_training(golden, name);
    }
  });
  if (!IsSkipped()) {
    EXPECT_GT(cases, 0);
  }
}

TEST(BnFusionGolden, ThePublishedTrainingIsUnderstood) { for_every_fusion(expect_published_written_out); }

TEST(BnFusionGolden, TrainingIsThePublishedOneWithoutItsErrors) { for_every_fusion(expect_training); }

}  // namespace
}  // namespace bsq::test
