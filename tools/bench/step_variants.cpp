#include "tools/bench/step_variants.h"

#include <torch/cuda.h>
#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/bsq/plane_optimizer.h"
#include "bsq/methods/kept_norms.h"
#include "bsq/methods/methods.h"
#include "models/registry.h"
#include "tests/naive/naive_resnet.h"
#include "tools/bench/convolutions.h"

namespace bsq::bench {
namespace {

constexpr int64_t kClasses = 10;
constexpr const char* kMethod = "method-";
// Small, so that no weight grows or dies within a benchmark.
constexpr double kRate = 1e-3, kMomentum = 0.9, kWeightDecay = 1e-4, kPenalty = 0.01;

torch::Device device_of(const StepSetting& setting) { return torch::Device(setting.device); }

std::shared_ptr<Network> make_resnet(const StepSetting& setting, bool in_bits) {
  NetworkDescription description;
  description.architecture = "resnet";
  description.options["depth"] = std::to_string(setting.depth);
  description.classes = kClasses;
  description.activation_bits = setting.activation_bits;
  description.activation_range = ActivationRange::kBatch;
  auto network = bsq::make_network(description);
  network->to(device_of(setting));
  if (in_bits) {
    to_bits(*network, LayerRules(setting.bits));
  }
  return network;
}

torch::Tensor images(const StepSetting& setting, torch::ScalarType type, torch::MemoryFormat layout) {
  return torch::randn({setting.batch, 3, 32, 32}).to(device_of(setting), type).contiguous(layout);
}

torch::Tensor labels(const StepSetting& setting) {
  return torch::randint(kClasses, {setting.batch}, torch::kLong).to(device_of(setting));
}

// By the relative rule, with all that a run of bsq_train tracks.
std::shared_ptr<Optimizer> bit_optimizer(Network& network, const SgdOptions& sgd) {
  auto rule = published_rule(kPenalty);
  rule.step = StepRule::kRelative;
  rule.norms = kept_norms(network);
  for (const auto& [name, weight] : plane_weights(network)) {
    rule.sensitivities[name] = rule_number(0, weight->planes().positive.device());
  }
  return std::make_shared<PlaneOptimizer>(network, sgd, rule);
}

// As Trainer::train_batch() does.
std::function<void()> training_step(const StepSetting& setting, torch::ScalarType type, bool in_bits) {
  auto network = make_resnet(setting, in_bits);
  const SgdOptions sgd{kMomentum, kWeightDecay};
  const auto optimizer = in_bits ? bit_optimizer(*network, sgd) : std::make_shared<Sgd>(*network, sgd);
  const auto x = images(setting, type, torch::MemoryFormat::ChannelsLast);
  return [network, optimizer, x, y = labels(setting)] {
    optimizer->zero_grad();
    const auto loss = torch::nn::functional::cross_entropy(network->forward(x), y);
    loss.item<double>();
    loss.backward();
    optimizer->step(kRate);
  };
}

// As Trainer::train_batch() does, after the method's first hooks.
std::function<void()> method_step(const std::string& name, const StepSetting& setting,
                                  torch::ScalarType type) {
  constexpr int64_t kSteps = 100;
  const std::shared_ptr<Method> method = make_method(name);
  auto network = make_resnet(setting, /*in_bits=*/false);
  auto description = network->description();
  description.activation_bits = method->default_activation_bits().value_or(setting.activation_bits);
  network = rebuild(*network, method->adapted(description));
  method->begin(*network, {LayerRules(setting.bits)});
  network->train();
  method->plan({/*epochs=*/1, kSteps});
  const auto x = images(setting, type, torch::MemoryFormat::ChannelsLast);
  network->forward(x);  // an activation may take its start from the first batch
  std::shared_ptr<Optimizer> optimizer = method->make_optimizer(*network, {kMomentum, kWeightDecay});
  if (method->before_epoch(*network, /*epoch=*/0)) {
    optimizer = method->make_optimizer(*network, {kMomentum, kWeightDecay});
  }
  auto sums = std::make_shared<StepSums>();
  return [method, network, optimizer, sums, x, y = labels(setting)] {
    optimizer->zero_grad();
    auto loss = torch::nn::functional::cross_entropy(network->forward(x), y);
    loss.item<double>();
    if (const auto term = method->loss_term(*network); term.defined()) {
      loss = loss + term;
    }
    loss.backward();
    optimizer->step(kRate);
    method->after_step(*network, *sums);
  };
}

std::function<void()> naive_step(const StepSetting& setting, torch::ScalarType type) {
  const auto network = make_resnet(setting, /*in_bits=*/true);
  auto step = std::make_shared<naive::NaiveStep>(
      *network, naive::StepOptions{kRate, kMomentum, kWeightDecay, kPenalty});
  const auto x = images(setting, type, torch::MemoryFormat::Contiguous);
  return [step, x, y = labels(setting)] { (*step)(x, y); };
}

std::function<void()> naive_evaluation(const StepSetting& setting, torch::ScalarType type) {
  auto network = std::make_shared<naive::NaiveResNet>(*make_resnet(setting, /*in_bits=*/true));
  const auto x = images(setting, type, torch::MemoryFormat::Contiguous);
  return [network, x] {
    torch::NoGradGuard no_grad;
    network->forward(x, /*is_training=*/false);
  };
}

std::function<void()> evaluation(const StepSetting& setting, torch::ScalarType type) {
  auto network = make_resnet(setting, /*in_bits=*/true);
  network->eval();
  const auto x = images(setting, type, torch::MemoryFormat::ChannelsLast);
  return [network, x] {
    torch::NoGradGuard no_grad;
    network->forward(x);
  };
}

std::function<void()> step_of(const std::string& kind, torch::ScalarType type, const StepSetting& setting) {
  if (kind.rfind(kMethod, 0) == 0) {
    return method_step(kind.substr(std::strlen(kMethod)), setting, type);
  }
  if (kind == "float" || kind == "fast") {
    return training_step(setting, type, /*in_bits=*/kind == "fast");
  }
  if (kind == "naive") {
    return naive_step(setting, type);
  }
  if (kind == "evaluate_naive") {
    return naive_evaluation(setting, type);
  }
  if (kind == "evaluate_fast") {
    return evaluation(setting, type);
  }
  return [layers = convolutions(setting, type)] { run_convolutions(layers); };
}

}  // namespace

std::vector<std::string> step_variants() {
  std::vector<std::string> names;
  for (const char* kind : {"float", "naive", "fast", "convolutions", "evaluate_naive", "evaluate_fast"}) {
    for (const char* precision : {"/fp32", "/bf16"}) {
      names.push_back(std::string(kind) + precision);
    }
  }
  return names;
}

std::vector<std::string> method_variants(const std::vector<std::string>& methods) {
  std::vector<std::string> names = {"float/fp32", "float/bf16"};
  for (const auto& method : methods) {
    names.push_back(kMethod + method + "/fp32");
    names.push_back(kMethod + method + "/bf16");
  }
  return names;
}

std::function<void()> make_step(const std::string& variant, const StepSetting& setting) {
  const auto names = step_variants();
  const bool is_method = variant.rfind(kMethod, 0) == 0;
  if (!is_method && std::find(names.begin(), names.end(), variant) == names.end()) {
    throw std::invalid_argument("variant '" + variant + "'; expected one like fast/bf16");
  }
  torch::manual_seed(1);
  const auto slash = variant.find('/');
  const auto type = variant.substr(slash + 1) == "bf16" ? torch::kBFloat16 : torch::kFloat32;
  auto step = step_of(variant.substr(0, slash), type, setting);
  if (!device_of(setting).is_cuda()) {
    return step;
  }
  return [step = std::move(step)] {
    step();
    torch::cuda::synchronize();
  };
}

}  // namespace bsq::bench
