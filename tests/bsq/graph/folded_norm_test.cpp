#include "bsq/graph/folded_norm.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/utils.h>

#include <stdexcept>

#include "bsq/graph/conv_norms.h"
#include "bsq/graph/graph_network.h"
#include "bsq/graph/norm_fusion.h"
#include "bsq/nn/network_state.h"
#include "bsq/nn/norm_factory.h"

namespace bsq::test {
namespace {

/// Rounds to multiples of a step, straight through; a step of 0: not at all.
class StepQuantizer : public Quantizer {
 public:
  explicit StepQuantizer(double step) : step_(step) {}
  std::string kind() const override { return "step"; }
  torch::Tensor forward(const torch::Tensor& x) const override {
    return step_ == 0 ? x : x + (((x / step_).round() * step_) - x).detach();
  }
  Codes codes(const torch::Tensor& x) const override {
    Codes codes;
    codes.integers = (x / step_).round().to(torch::kInt32);
    codes.scale = torch::full({}, step_, x.options().requires_grad(false));
    codes.format = format();
    return codes;
  }
  CodeFormat format() const override { return twos_complement(8); }
  std::unique_ptr<Quantizer> clone() const override { return std::make_unique<StepQuantizer>(step_); }

 private:
  double step_;
};

void draw_norm(torch::nn::BatchNorm2dImpl& norm) {
  torch::NoGradGuard no_grad;
  norm.weight.normal_();
  norm.bias.normal_();
  norm.running_mean.normal_();
  norm.running_var.uniform_(0.1, 2);
}

/// A convolution with a folded weight and its norm, float64, in training.
struct FoldedUnit {
  QuantConv2d layer{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};

  FoldedUnit(const QuantConv2dOptions& options, double step)
      : layer(options), norm(torch::nn::BatchNormOptions(options.out_channels())) {
    layer->to(torch::kFloat64);
    norm->to(torch::kFloat64);
    draw_norm(*norm);
    fold(step);
  }
  void fold(double step) {
    layer->set_weight(std::make_unique<FoldedWeight>(
        layer->weight_source().value(), std::make_unique<StepQuantizer>(step), norm_gain(*norm).detach()));
  }
  FoldedUnit copy() const {
    auto other = *this;
    other.layer = QuantConv2d(std::dynamic_pointer_cast<QuantConv2dImpl>(layer->clone()));
    other.norm = torch::nn::BatchNorm2d(std::dynamic_pointer_cast<torch::nn::BatchNorm2dImpl>(norm->clone()));
    return other;
  }
  torch::Tensor forward(const torch::Tensor& x) { return folded_conv_norm(*layer, *norm, x); }
  torch::Tensor weight() const { return layer->weight_source().slots()[0].tensor; }
};

QuantConv2dOptions conv_options(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups,
                                bool has_bias) {
  return QuantConv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).groups(groups).bias(has_bias);
}

const std::vector<QuantConv2dOptions>& unit_shapes() {
  static const std::vector<QuantConv2dOptions> all = {
      conv_options(3, 5, 3, 1, 1, false), conv_options(4, 6, 1, 2, 1, true),
      conv_options(6, 6, 3, 2, 6, false), conv_options(4, 2, 3, 1, 2, true)};
  return all;
}

torch::Tensor images_for(const QuantConv2dOptions& options) {
  return torch::randn({3, options.in_channels(), 6, 5}, torch::kFloat64);
}

std::vector<torch::Tensor> gradients_of(const torch::Tensor& y, const std::vector<torch::Tensor>& of) {
  torch::manual_seed(99);
  return torch::autograd::grad({(y * torch::randn(y.sizes(), y.options())).sum()}, of);
}

void expect_close(const torch::Tensor& found, const torch::Tensor& expected, double tolerance = 1e-10) {
  ASSERT_EQ(found.sizes(), expected.sizes());
  const double size = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_LE((found - expected).abs().max().item<double>(), tolerance * size);
}

TEST(FoldedNorm, WithoutQuantizationItIsConvolutionAndBatchNorm) {
  torch::manual_seed(1);
  for (const auto& options : unit_shapes()) {
    FoldedUnit unit(options, /*step=*/0);
    FoldedUnit plain = unit.copy();
    for (int64_t step = 0; step < 2; ++step) {  // the second one begins with other running statistics
      const auto x = images_for(options).set_requires_grad(true);
      const auto bias = plain.layer->bias_source();
      const auto o = plain.layer->convolve(x, plain.weight(), bias ? bias->value() : torch::Tensor());
      const auto expected = plain.norm->forward(o);
      const auto y = unit.forward(x);
      expect_close(y, expected);
      const auto ours = gradients_of(y, {x, unit.weight(), unit.norm->weight, unit.norm->bias});
      const auto theirs = gradients_of(expected, {x, plain.weight(), plain.norm->weight, plain.norm->bias});
      for (size_t i = 0; i < ours.size(); ++i) {
        expect_close(ours[i], theirs[i]);
      }
      expect_close(unit.norm->running_mean, plain.norm->running_mean);
      expect_close(unit.norm->running_var, plain.norm->running_var);
      EXPECT_EQ(unit.norm->num_batches_tracked.item<int64_t>(), step + 1);
    }
  }
}

// The formula, number by number.
struct SlowUnit {
  torch::Tensor y, mean, variance;
};

double slow_rounded(double value, double step) { return std::nearbyint(value / step) * step; }

// One output of a convolution with zero padding.
double slow_pixel(const torch::Tensor& x, const torch::Tensor& w, const QuantConv2dOptions& options,
                  int64_t image, int64_t c, int64_t row, int64_t column) {
  const int64_t per_group = w.size(1), kernel = w.size(2);
  const int64_t first = c / (w.size(0) / options.groups()) * per_group;
  double sum = 0;
  for (int64_t i = 0; i < per_group; ++i) {
    for (int64_t dy = 0; dy < kernel; ++dy) {
      for (int64_t dx = 0; dx < kernel; ++dx) {
        const int64_t at_y = row * (*options.stride())[0] + dy - kernel / 2;
        const int64_t at_x = column * (*options.stride())[1] + dx - kernel / 2;
        if (at_y >= 0 && at_y < x.size(2) && at_x >= 0 && at_x < x.size(3)) {
          sum += x[image][first + i][at_y][at_x].item<double>() * w[c][i][dy][dx].item<double>();
        }
      }
    }
  }
  return sum;
}

torch::Tensor slow_conv(const torch::Tensor& x, const torch::Tensor& w, const QuantConv2dOptions& options,
                        at::IntArrayRef shape) {
  auto o = torch::zeros(shape, torch::kFloat64);
  auto values = o.accessor<double, 4>();
  for (int64_t image = 0; image < shape[0]; ++image) {
    for (int64_t c = 0; c < shape[1]; ++c) {
      for (int64_t row = 0; row < shape[2]; ++row) {
        for (int64_t column = 0; column < shape[3]; ++column) {
          values[image][c][row][column] = slow_pixel(x, w, options, image, c, row, column);
        }
      }
    }
  }
  return o;
}

torch::Tensor rounded_weight(const torch::Tensor& weight, const std::vector<double>& gain, double step) {
  auto rounded = weight.detach().clone();
  for (int64_t c = 0; c < weight.size(0); ++c) {
    for (int64_t i = 0; i < weight[c].numel(); ++i) {
      const double w = weight[c].reshape(-1)[i].item<double>();
      rounded[c].view(-1)[i] = slow_rounded(w * gain[static_cast<size_t>(c)], step);
    }
  }
  return rounded;
}

// Mean and sum of squared distances of a channel.
std::pair<double, double> slow_moments(const torch::Tensor& channel) {
  const auto values = channel.reshape(-1);
  double mean = 0, squares = 0;
  for (int64_t i = 0; i < values.numel(); ++i) {
    mean += values[i].item<double>() / static_cast<double>(values.numel());
  }
  for (int64_t i = 0; i < values.numel(); ++i) {
    squares += std::pow(values[i].item<double>() - mean, 2);
  }
  return {mean, squares};
}

SlowUnit slow_unit(const FoldedUnit& unit, double step, const torch::Tensor& x, at::IntArrayRef shape) {
  const auto& options = unit.layer->options;
  const auto channels = static_cast<size_t>(shape[1]);
  const auto o =
      slow_conv(x, rounded_weight(unit.weight(), std::vector<double>(channels, 1), step), options, shape);
  SlowUnit slow{torch::empty(shape, torch::kFloat64), unit.norm->running_mean.clone(),
                unit.norm->running_var.clone()};
  std::vector<double> gain(channels), b(channels), means(channels), r(channels);
  for (int64_t c = 0; c < shape[1]; ++c) {
    const auto i = static_cast<size_t>(c);
    const auto [mean, squares] = slow_moments(o.select(1, c));
    const auto count = static_cast<double>(o.select(1, c).numel());
    const auto* bias = unit.layer->bias_source();
    const double own = bias == nullptr ? 0 : bias->value()[c].item<double>();
    slow.mean[c] = 0.9 * slow.mean[c].item<double>() + 0.1 * (mean + own);
    slow.variance[c] = 0.9 * slow.variance[c].item<double>() + 0.1 * squares / (count - 1);
    r[i] = std::sqrt(slow.variance[c].item<double>() + 1e-5);
    gain[i] = unit.norm->weight[c].item<double>() / r[i];
    b[i] = std::sqrt(squares / count + 1e-5);
    means[i] = mean;
  }
  const auto folded = slow_conv(x, rounded_weight(unit.weight(), gain, step), options, shape);
  for (int64_t c = 0; c < shape[1]; ++c) {
    const auto i = static_cast<size_t>(c);
    const double shift =
        unit.norm->bias[c].item<double>() - unit.norm->weight[c].item<double>() * means[i] / b[i];
    slow.y.select(1, c).copy_(folded.select(1, c) * (r[i] / b[i]) + shift);
  }
  return slow;
}

TEST(FoldedNorm, QuantizedItIsTheFormulaNumberByNumber) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(2);
  for (const auto& options : unit_shapes()) {
    FoldedUnit unit(options, /*step=*/0.125);
    const auto x = torch::randn({2, options.in_channels(), 4, 3}, torch::kFloat64);
    const auto before = unit.copy();
    const auto y = unit.forward(x);
    const auto slow = slow_unit(before, 0.125, x, y.sizes());
    expect_close(y, slow.y);
    expect_close(unit.norm->running_mean, slow.mean);
    expect_close(unit.norm->running_var, slow.variance);
    EXPECT_TRUE(torch::equal(folded_weight(*unit.layer)->gain(), norm_gain(*unit.norm)));
  }
}

// With roundings straight through and r a constant the gradients are those of these sums.
TEST(FoldedNorm, QuantizedItsGradientsAreTheHandWrittenOnes) {
  torch::manual_seed(3);
  const double step = 0.125;
  for (const auto& options : unit_shapes()) {
    FoldedUnit unit(options, step);
    const auto x = images_for(options).set_requires_grad(true);
    const auto y = unit.forward(x);
    const auto found = gradients_of(y, {x, unit.weight(), unit.norm->weight, unit.norm->bias});
    torch::manual_seed(99);
    const auto g = torch::randn(y.sizes(), y.options());

    torch::NoGradGuard no_grad;
    const auto along = [](const torch::Tensor& numbers) { return numbers.view({1, -1, 1, 1}); };
    const auto per_weight = [](const torch::Tensor& numbers) { return numbers.view({-1, 1, 1, 1}); };
    const auto sum = [](const torch::Tensor& values) { return values.sum({0, 2, 3}); };
    const auto gamma = unit.norm->weight, r = (unit.norm->running_var + 1e-5).sqrt();
    const auto plain = (unit.weight() / step).round() * step;
    const auto folded = (unit.weight() * per_weight(gamma / r) / step).round() * step;
    const auto o = unit.layer->convolve(x, plain, {}), f = unit.layer->convolve(x, folded, {});
    const auto count = static_cast<double>(o.numel() / o.size(1));
    const auto mean = o.mean({0, 2, 3});
    const auto b = (o.var({0, 2, 3}, /*unbiased=*/false) + 1e-5).sqrt();
    // Of f and of b and M, through which o takes part.
    const auto of_f = g * along(r / b);
    const auto of_b = sum(g * f) * -r / b.square() + sum(g) * gamma * mean / b.square();
    const auto of_mean = -sum(g) * gamma / b;
    const auto of_o = (along(of_mean) + along(of_b / b) * (o - along(mean))) / count;
    const auto backward = [&](const torch::Tensor& gradient, const torch::Tensor& weight) {
      const auto& conv = unit.layer->options;
      const auto stride = conv.stride()->begin()[0];
      return torch::convolution_backward(gradient, x, weight, c10::nullopt, {stride, stride},
                                         {conv.kernel_size()->at(0) / 2, conv.kernel_size()->at(0) / 2},
                                         {1, 1}, false, {0, 0}, conv.groups(), {true, true, false});
    };
    const auto [x_of_o, w_of_o, none] = backward(of_o, plain);
    const auto [x_of_f, w_of_f, nothing] = backward(of_f, folded);
    expect_close(found[0], x_of_o + x_of_f);
    expect_close(found[1], w_of_o + w_of_f * per_weight(gamma / r));
    expect_close(found[2], (w_of_f * unit.weight()).sum({1, 2, 3}) / r - sum(g) * mean / b);
    expect_close(found[3], sum(g));
  }
}

TEST(FoldedNorm, TwoForwardsBeforeAStepAddUp) {
  torch::manual_seed(4);
  FoldedUnit unit(unit_shapes()[0], /*step=*/0.125);
  auto other = unit.copy();
  const auto x1 = images_for(unit_shapes()[0]), x2 = images_for(unit_shapes()[0]);
  const auto first = unit.forward(x1), second = unit.forward(x2);
  const auto both = gradients_of(first, {unit.weight(), unit.norm->weight});
  const auto more = gradients_of(second, {unit.weight(), unit.norm->weight});
  const auto alone = gradients_of(other.forward(x1), {other.weight(), other.norm->weight});
  const auto after = gradients_of(other.forward(x2), {other.weight(), other.norm->weight});
  for (size_t i = 0; i < both.size(); ++i) {
    EXPECT_TRUE(torch::equal(both[i] + more[i], alone[i] + after[i]));
  }
}

TEST(FoldedNorm, AForwardMovesNothingButWhatIsTracked) {
  torch::manual_seed(5);
  FoldedUnit unit(unit_shapes()[1], /*step=*/0.125);
  const auto before = unit.copy();
  unit.forward(images_for(unit_shapes()[1]));
  EXPECT_TRUE(torch::equal(unit.weight(), before.weight()));
  EXPECT_TRUE(torch::equal(unit.norm->weight, before.norm->weight));
  EXPECT_FALSE(torch::equal(unit.norm->running_var, before.norm->running_var));
}

TEST(FoldedNorm, WithoutAMomentumItAveragesAllBatches) {
  torch::manual_seed(6);
  FoldedUnit unit(unit_shapes()[0], /*step=*/0);
  unit.norm->options.momentum(c10::nullopt);
  FoldedUnit plain = unit.copy();
  for (int64_t batch = 0; batch < 3; ++batch) {
    const auto x = images_for(unit_shapes()[0]);
    unit.forward(x);
    plain.norm->forward(plain.layer->convolve(x, plain.weight(), {}));
  }
  expect_close(unit.norm->running_mean, plain.norm->running_mean);
  expect_close(unit.norm->running_var, plain.norm->running_var);
}

TEST(FoldedNorm, RefusesASingleValueAChannel) {
  FoldedUnit unit(conv_options(3, 5, 1, 1, 1, false), /*step=*/0);
  EXPECT_THROW(unit.forward(torch::ones({1, 3, 1, 1}, torch::kFloat64)), std::invalid_argument);
}

// A sum, an activation and a value of two readers behind norms; a layer without a norm.
Value residual_flow(Builder& b, Value image) {
  const auto x = b.relu(b.norm("bn1", b.conv("conv1", image, /*planes=*/8, /*kernel=*/3)));
  const auto y = b.norm("bn2", b.conv("conv2", x, ConvOptions(8, 3).groups(8)));
  const auto z = b.activation("relu2", b.add(y, b.norm("bn3", b.conv("conv3", x, ConvOptions(8, 1)))));
  const auto w = b.relu(b.conv("conv4", b.add(z, x), ConvOptions(4, 3)));
  return b.linear("fc", b.global_average_pool(w), b.description().classes);
}

std::shared_ptr<GraphNetwork> residual_network(const std::string& norm = kBatchNorm) {
  NetworkDescription description;
  description.classes = 3;
  description.norm = norm;
  description.activation_bits = 0;
  auto network = std::make_shared<GraphNetwork>(description, residual_flow);
  network->to(torch::kFloat64);
  return network;
}

void fold_all(GraphNetwork& network, double step) {
  for (const auto& pair : conv_norms(*network.program())) {
    pair.layer->set_weight(std::make_unique<FoldedWeight>(pair.layer->weight_source().value(),
                                                          std::make_unique<StepQuantizer>(step),
                                                          norm_gain(*pair.norm).detach()));
  }
}

std::pair<std::shared_ptr<GraphNetwork>, std::shared_ptr<GraphNetwork>> folded_and_plain(double step) {
  auto plain = residual_network(), folded = residual_network();
  for (const auto& pair : conv_norms(*plain->program())) {
    draw_norm(*pair.norm);
  }
  load_network(*folded, save_network(*plain));
  fold_all(*folded, step);
  return {folded, plain};
}

TEST(FoldedNorm, ANetworkWithoutQuantizationTrainsAsWithBatchNorms) {
  torch::manual_seed(7);
  const auto [folded, plain] = folded_and_plain(/*step=*/0);
  const auto x = torch::randn({4, 3, 8, 8}, torch::kFloat64);
  const auto y = folded->forward(x), expected = plain->forward(x);
  expect_close(y, expected);
  const auto ours = folded->named_parameters(), theirs = plain->named_parameters();
  ASSERT_EQ(ours.size(), theirs.size());
  for (const auto& item : theirs) {
    const auto found =
        torch::autograd::grad({y.square().sum()}, {ours[item.key()]}, {}, /*retain_graph=*/true);
    const auto wanted =
        torch::autograd::grad({expected.square().sum()}, {item.value()}, {}, /*retain_graph=*/true);
    expect_close(found[0], wanted[0]);
  }
  for (const auto& item : plain->named_buffers()) {
    expect_close(folded->named_buffers()[item.key()].to(torch::kFloat64), item.value().to(torch::kFloat64));
  }
}

// conv(x, Q(W g)) and beta - g R, in the norm's place.
torch::Tensor folded_by_hand(QuantConv2dImpl& layer, const torch::nn::BatchNorm2dImpl& norm,
                             const torch::Tensor& x) {
  const auto gain = norm_gain(norm);
  return layer.convolve(x, folded_weight(layer)->folded_value(gain), norm.bias - gain * norm.running_mean);
}

TEST(FoldedNorm, InEvaluationANetworkComputesWithTheFoldedIntegers) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(8);
  const auto network = folded_and_plain(/*step=*/0.125).first;
  network->eval();
  const auto x = torch::randn({4, 3, 8, 8}, torch::kFloat64);
  const auto pairs = conv_norms(*network->program());
  const auto at = [&](size_t i, const torch::Tensor& values) {
    return folded_by_hand(*pairs[i].layer, *pairs[i].norm, values);
  };
  const auto a = torch::relu(at(0, x));
  const auto z = torch::relu(at(1, a) + at(2, a));
  const auto weight = network->named_parameters()["conv4.weight"];
  const auto w = torch::relu(torch::conv2d(z + a, weight, {}, 1, 1));
  const auto logits = torch::linear(w.mean({2, 3}), network->named_parameters()["fc.weight"],
                                    network->named_parameters()["fc.bias"]);
  expect_close(network->forward(x), logits);
}

TEST(FoldedNorm, AFusedNetworkHasOneScaleALayerAgain) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(9);
  const auto network = folded_and_plain(/*step=*/0.125).first;
  network->eval();
  const auto x = torch::randn({4, 3, 8, 8}, torch::kFloat64);
  const auto state = fuse_norms(*network->program(), codes_of_network(*network));
  const auto fused = residual_network(kNoNorm);
  load_network(*fused, state);
  fused->eval();
  expect_close(fused->forward(x), network->forward(x));
  for (const auto& [name, stored] : state) {
    if (stored.encoding == Encoding::kCodes) {
      EXPECT_EQ(stored.scale.dim(), 0) << name;
      EXPECT_NEAR(stored.scale.item<double>(), 0.125, 1e-12) << name;
    }
  }
}

TEST(FoldedNorm, Bfloat16ImagesGiveBfloat16NearTheExactOnes) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(10);
  FoldedUnit unit(unit_shapes()[0], /*step=*/0.125);
  unit.layer->to(torch::kFloat32);
  unit.norm->to(torch::kFloat32);
  auto exact = unit.copy();
  const auto x = torch::randn({8, 3, 8, 8}).to(torch::kBFloat16);
  const auto y = unit.forward(x);
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  const auto expected = exact.forward(x.to(torch::kFloat32));
  EXPECT_LE((y.to(torch::kFloat32) - expected).abs().max().item<float>(),
            0.03 * expected.abs().max().item<float>());
}

}  // namespace
}  // namespace bsq::test
