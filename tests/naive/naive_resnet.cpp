#include "tests/naive/naive_resnet.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/functional/loss.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

namespace bsq::naive {
namespace {

constexpr double kEpsilon = 1e-8;  // under the root of the group Lasso

// The value of the second, the gradient of the first.
struct StraightThrough : torch::autograd::Function<StraightThrough> {
  static torch::Tensor forward(torch::autograd::AutogradContext*, const torch::Tensor&,
                               const torch::Tensor& rounded) {
    return rounded.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0], torch::Tensor()};
  }
};

torch::Tensor digit_weights(const torch::Tensor& planes) {
  const int64_t bits = planes.size(0);
  std::vector<double> weights;
  for (int64_t plane = 0; plane < bits; ++plane) {
    weights.push_back(std::ldexp(1.0, static_cast<int>(bits - 1 - plane)));
  }
  std::vector<int64_t> shape(static_cast<size_t>(planes.dim()), 1);
  shape[0] = bits;
  return torch::tensor(weights, planes.options().requires_grad(false)).reshape(shape);
}

torch::Tensor real_value(const torch::Tensor& positive, const torch::Tensor& negative) {
  const double levels = std::ldexp(1.0, static_cast<int>(positive.size(0))) - 1;
  return ((positive - negative) * digit_weights(positive)).sum(0) / levels;
}

torch::Tensor rounded(const torch::Tensor& q, int64_t bits) {
  const double levels = std::ldexp(1.0, static_cast<int>(bits)) - 1;
  return torch::round(q.detach().clamp(-1, 1) * levels) / levels;
}

torch::Tensor quantized(const torch::Tensor& x, int64_t bits) {
  const double levels = std::ldexp(1.0, static_cast<int>(bits)) - 1;
  const auto plain = x.detach();
  const auto range = plain.max();
  if (range.item<double>() == 0) {
    return x * 0;
  }
  return StraightThrough::apply(x, torch::round(plain * levels / range) / levels * range);
}

}  // namespace

NaiveResNet::NaiveResNet(const Network& network)
    : blocks_((std::stoll(network.description().options.at("depth")) - 2) / 6),
      activation_bits_(network.description().activation_bits) {
  const auto& options = network.description().options;
  if (options.at("block-name") != "BasicBlock" || options.at("quantize-shortcut") == "true") {
    throw std::invalid_argument("naive ResNet: expected basic blocks with float shortcuts");
  }
  for (const auto& item : network.named_parameters()) {
    parameters_[item.key()] = item.value().detach().clone().contiguous().set_requires_grad(true);
  }
  for (const auto& item : network.named_buffers()) {
    buffers_[item.key()] = item.value().detach().clone();
  }
  if (parameters_.count("conv1.pweight") == 0) {
    throw std::invalid_argument("naive ResNet: expected a network in bits");
  }
}

torch::Tensor NaiveResNet::value(const std::string& layer, const std::string& noun) const {
  const auto& positive = parameters_.at(layer + ".p" + noun);
  const auto q = real_value(positive, parameters_.at(layer + ".n" + noun));
  const auto scale = parameters_.at(layer + (noun == "bias" ? ".biasscale" : ".scale"));
  return StraightThrough::apply(q, rounded(q, positive.size(0))) * scale;
}

torch::Tensor NaiveResNet::convolve(const std::string& layer, const torch::Tensor& x, int64_t stride) const {
  const auto weight =
      parameters_.count(layer + ".weight") > 0 ? parameters_.at(layer + ".weight") : value(layer, "weight");
  return torch::conv2d(x, weight.to(x.scalar_type()), {}, stride, /*padding=*/weight.size(2) / 2);
}

torch::Tensor NaiveResNet::normalize(const std::string& layer, const torch::Tensor& x, bool is_training) {
  const auto& weight = parameters_.at(layer + ".weight");
  return torch::batch_norm(x.to(weight.scalar_type()), weight, parameters_.at(layer + ".bias"),
                           buffers_.at(layer + ".running_mean"), buffers_.at(layer + ".running_var"),
                           is_training, /*momentum=*/0.1, /*eps=*/1e-5, /*cudnn_enabled=*/true)
      .to(x.scalar_type());
}

torch::Tensor NaiveResNet::activate(const std::string& layer, const torch::Tensor& x) const {
  const auto alpha = parameters_.find(layer + ".alpha");
  const auto active =
      alpha == parameters_.end()
          ? torch::clamp(x, 0, 6)
          : torch::where(x >= alpha->second, alpha->second.to(x.scalar_type()), torch::relu(x));
  return activation_bits_ == 0 ? active : quantized(active, activation_bits_);
}

torch::Tensor NaiveResNet::block(const std::string& name, const torch::Tensor& x, int64_t stride,
                                 bool is_training) {
  auto y = normalize(name + ".bn1", convolve(name + ".conv1", x, stride), is_training);
  y = normalize(name + ".bn2", convolve(name + ".conv2", activate(name + ".relu1", y), 1), is_training);
  const auto shortcut = name + ".downsample";
  const bool has_shortcut = parameters_.count(shortcut + ".0.weight") > 0;
  y = y + (has_shortcut ? normalize(shortcut + ".1", convolve(shortcut + ".0", x, stride), is_training) : x);
  return activate(name + ".relu2", y);
}

torch::Tensor NaiveResNet::forward(const torch::Tensor& images, bool is_training) {
  auto x = torch::relu(normalize("bn1", convolve("conv1", images, 1), is_training));
  for (int64_t layer = 1; layer <= 3; ++layer) {
    for (int64_t i = 0; i < blocks_; ++i) {
      const auto name = "layer" + std::to_string(layer) + "." + std::to_string(i);
      x = block(name, x, /*stride=*/layer > 1 && i == 0 ? 2 : 1, is_training);
    }
  }
  const auto& type = parameters_.at("fc.scale").scalar_type();
  return torch::linear(torch::avg_pool2d(x.to(type), /*kernel_size=*/8).flatten(1), value("fc", "weight"),
                       value("fc", "bias"));
}

torch::Tensor NaiveResNet::penalty() const {
  torch::Tensor sum = torch::zeros({}, parameters_.at("fc.scale").options().requires_grad(false));
  double all_weights = 0;
  for (const auto& [name, positive] : parameters_) {
    const auto at = name.rfind('.') + 1;
    if (name.compare(at, std::string::npos, "pweight") != 0 &&
        name.compare(at, std::string::npos, "pbias") != 0) {
      continue;
    }
    auto other = name;
    other[at] = 'n';
    const auto squares =
        positive.square().flatten(1).sum(1) + parameters_.at(other).square().flatten(1).sum(1);
    sum = sum + static_cast<double>(positive.numel()) * torch::sqrt(kEpsilon + squares).sum();
    all_weights += static_cast<double>(positive[0].numel());
  }
  return sum / all_weights;
}

std::vector<torch::Tensor> NaiveResNet::parameters() const {
  std::vector<torch::Tensor> all;
  for (const auto& [name, tensor] : parameters_) {
    all.push_back(tensor);
  }
  return all;
}

std::vector<torch::Tensor> NaiveResNet::planes() const {
  std::vector<torch::Tensor> planes;
  for (const auto& [name, tensor] : parameters_) {
    const auto noun = name.substr(name.rfind('.') + 1);
    if (noun == "pweight" || noun == "nweight" || noun == "pbias" || noun == "nbias") {
      planes.push_back(tensor);
    }
  }
  return planes;
}

NaiveStep::NaiveStep(const Network& network, const StepOptions& options)
    : network_(network),
      penalty_(options.penalty),
      sgd_(network_.parameters(), torch::optim::SGDOptions(options.learning_rate)
                                      .momentum(options.momentum)
                                      .weight_decay(options.weight_decay)) {}

NaiveStep::Result NaiveStep::operator()(const torch::Tensor& images, const torch::Tensor& labels) {
  sgd_.zero_grad();
  const auto logits = network_.forward(images, /*is_training=*/true);
  const auto cross_entropy = torch::nn::functional::cross_entropy(logits, labels);
  const auto penalty = network_.penalty();
  (cross_entropy + penalty_ * penalty).backward();
  sgd_.step();
  torch::NoGradGuard no_grad;
  for (auto& planes : network_.planes()) {
    planes.clamp_(0, 2);
  }
  return {cross_entropy.item<double>(), penalty.item<double>()};
}

}  // namespace bsq::naive
