#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include <cmath>
#include <memory>

#include "bsq/base/options.h"
#include "bsq/methods/int8/range_norm.h"
#include "bsq/methods/methods.h"
#include "tests/bsq/methods/int8/given_noise.h"
#include "tests/golden/closeness.h"
#include "tests/golden/golden_model.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

// Normalized in float64 throughout.
Batch normalized_images(int64_t first, int64_t count) {
  const auto pixels = exact_pixels(/*is_test=*/false, first, count);
  const auto numbers = [](double red, double green, double blue) {
    return torch::tensor({red, green, blue}, torch::kFloat64).view({1, 3, 1, 1});
  };
  Batch batch;
  batch.images = pixels.images.to(torch::kFloat64)
                     .div(255)
                     .sub(numbers(0.4914, 0.4822, 0.4465))
                     .div(numbers(0.2023, 0.1994, 0.2010));
  batch.labels = pixels.labels;
  return batch;
}

// The golden runs' noise: a function of the position, in row-major order, alone (splitmix64).
torch::Tensor noise_by_position(const torch::Tensor& gradient) {
  auto noise = torch::empty(gradient.sizes(), torch::kFloat64);
  for (int64_t i = 0; i < noise.numel(); ++i) {
    uint64_t z = (static_cast<uint64_t>(i) + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    noise.data_ptr<double>()[i] = static_cast<double>(z >> 11) * 0x1p-53 - 0.5;
  }
  return noise;
}

torch::Tensor sums_of(const torch::Tensor& tensor) {
  return torch::stack({tensor.detach().sum(), tensor.detach().square().sum()});
}

// Of "bn1.quantize_input.running_range" "bn1.input.range", of "conv1.quantize_input.running_range"
// "conv1_input.range".
std::string our_name(std::string name, torch::nn::Module& network) {
  const auto replace = [&](const std::string& from, const std::string& to) {
    if (const auto at = name.find(from); at != std::string::npos) {
      name.replace(at, from.size(), to);
    }
  };
  const auto modules = network.named_modules();
  const auto* module = modules.find(name.substr(0, name.find(".quantize_input")));
  const bool is_norm = module != nullptr && dynamic_cast<RangeNorm*>(module->get()) != nullptr;
  replace(".quantize_input", is_norm ? ".input" : "_input");
  replace("running_zero_point", "low");
  replace("running_range", "range");
  replace("running_var", "running_sigma");
  return name;
}

/// A run of the golden file, in float64, as the published code begins it.
class GoldenTraining {
 public:
  GoldenTraining(const GoldenFile& golden, const std::string& network_group, const std::string& run)
      : golden_(golden),
        group_(network_group),
        run_(network_group + "/" + run),
        method_(make_method("int8")) {
    OptionTable table;
    method_->add_options(table);
    table.set("bifurcation", golden.number(run_, "bifurcation") != 0 ? "on" : "off");
    NetworkDescription description;
    description.options["depth"] = std::to_string(6 * integer("blocks_per_stage") + 2);
    description.activation_bits = integer("activation_bits");
    network_ = make_network(method_->adapted(description));
    network_->to(torch::kFloat64);
    load_start();
    method_->begin(*network_, {LayerRules(integer("weight_bits"))});
    install_noise();
    optimizer_ = method_->make_optimizer(
        *network_, {golden.number(group_, "momentum"), golden.number(group_, "weight_decay")});
  }

  void check() {
    EXPECT_EQ(integer("bias_bits"), bias_bits());
    for (int64_t step = 0; step < integer("steps"); ++step) {
      check_step(step);
    }
    check_sums("parameter_sums", network_->named_parameters());
    check_sums("buffer_sums", network_->named_buffers());
    check_whole();
    network_->eval();
    torch::NoGradGuard no_grad;
    const auto wanted = golden_.tensor(run_ + "/eval_logits");
    const auto batch = exact_images(
        /*is_test=*/false, integer("first_image") + integer("batch") * integer("steps"), wanted.size(0));
    expect_close(network_->forward(batch.images), wanted, kTrainingTolerance, "evaluation");
  }

 private:
  int64_t integer(const std::string& name) const {
    return static_cast<int64_t>(golden_.number(group_, name));
  }
  int64_t bias_bits() const {
    for (const auto& ref : coded_sources(*network_)) {
      if (ref.is_bias) {
        return ref.source().bits();
      }
    }
    return 0;
  }

  void load_start() {
    torch::NoGradGuard no_grad;
    auto parameters = network_->named_parameters();
    const auto names = golden_.members(group_ + "/initial_state");
    size_t loaded = 0;
    for (const auto& name : names) {
      if (auto* parameter = parameters.find(name)) {
        parameter->copy_(golden_.tensor(group_ + "/initial_state/" + name));
        ++loaded;
      }
    }
    EXPECT_EQ(loaded, parameters.size());
    for (auto& buffer : network_->buffers()) {
      buffer.zero_();
    }
  }

  void install_noise() {
    const GivenNoise::Noise noise =
        golden_.number(run_, "stochastic") != 0 ? GivenNoise::Noise(noise_by_position) : nullptr;
    const bool is_for_weights = golden_.number(run_, "bifurcation") == 0;
    const auto make = [&](int64_t bits) {
      return bits == 0 ? nullptr : std::make_shared<GivenNoise>(bits, is_for_weights, noise);
    };
    const auto norm_bits = static_cast<int64_t>(golden_.number(run_, "range_bn_grad_bits"));
    for (const auto& module : network_->modules(/*include_self=*/false)) {
      if (auto* layer = dynamic_cast<QuantLayer*>(module.get())) {
        layer->set_gradient(make(integer("grad_bits")));
      } else if (auto* norm = dynamic_cast<RangeNorm*>(module.get())) {
        norm->set_gradient(make(norm_bits));
      }
    }
  }

  void check_step(int64_t step) {
    SCOPED_TRACE("step " + std::to_string(step));
    network_->train();
    optimizer_->zero_grad();
    const auto batch = normalized_images(integer("first_image") + integer("batch") * step, integer("batch"));
    const auto logits = network_->forward(batch.images);
    expect_close(logits, golden_.tensor(run_ + "/logits")[step], kTrainingTolerance, "logits");
    const auto loss = torch::nn::functional::cross_entropy(logits, batch.labels);
    EXPECT_NEAR(loss.item<double>(), golden_.tensor(run_ + "/loss")[step].item<double>(), kTrainingTolerance);
    loss.backward();
    if (step == 0) {
      torch::OrderedDict<std::string, torch::Tensor> gradients;
      for (const auto& item : network_->named_parameters()) {
        gradients.insert(item.key(), item.value().grad());
      }
      check_sums("first_gradients", gradients);
    }
    optimizer_->step(golden_.number(group_, "lr"));
    check_traces(step);
  }

  void check_sums(const std::string& dataset, const torch::OrderedDict<std::string, torch::Tensor>& tensors) {
    const auto wanted = golden_.tensor(run_ + "/" + dataset);
    const auto names = golden_.texts(run_ + "/" + dataset, "names");
    ASSERT_EQ(static_cast<int64_t>(names.size()), wanted.size(0));
    EXPECT_EQ(names.size(), tensors.size()) << dataset;
    for (size_t i = 0; i < names.size(); ++i) {
      const auto name = our_name(names[i], *network_);
      ASSERT_NE(tensors.find(name), nullptr) << names[i];
      expect_close(sums_of(tensors[name]), wanted[static_cast<int64_t>(i)], kTrainingTolerance,
                   dataset + " " + name);
    }
  }

  // "trace_layer1.0.conv1": sums of a weight after each step.
  void check_traces(int64_t step) {
    const std::string start = "trace_";
    for (const auto& name : golden_.members(run_)) {
      if (name.rfind(start, 0) == 0) {
        const auto weight = network_->named_parameters()[name.substr(start.size()) + ".weight"];
        expect_close(sums_of(weight), golden_.tensor(run_ + "/" + name)[step], kTrainingTolerance, name);
      }
    }
  }

  void check_whole() {
    auto tensors = network_->named_parameters();
    tensors.update(network_->named_buffers());
    for (const auto& name : golden_.members(run_ + "/whole")) {
      const auto own = our_name(name, *network_);
      ASSERT_NE(tensors.find(own), nullptr) << name;
      expect_close(tensors[own], golden_.tensor(run_ + "/whole/" + name), kTrainingTolerance, own);
    }
  }

  const GoldenFile& golden_;
  std::string group_, run_;
  std::unique_ptr<Method> method_;
  std::shared_ptr<Network> network_;
  std::unique_ptr<Optimizer> optimizer_;
};

TEST(Int8TrainGolden, Networks) {
  const auto path = golden_methods_path("int8.h5");
  if (path.empty() || !has_shared_files()) {
    GTEST_SKIP() << "the folder of the methods' golden files or the shared images are missing";
  }
  const GoldenFile golden(path);
  int64_t runs = 0;
  for (const auto& group : golden.members("/")) {
    if (!golden.has(group + "/initial_state")) {
      continue;
    }
    for (const auto& run : golden.members(group)) {
      if (golden.has(group + "/" + run + "/loss")) {
        SCOPED_TRACE(group + "/" + run);
        ++runs;
        GoldenTraining(golden, group, run).check();
      }
    }
  }
  EXPECT_GT(runs, 0);
}

}  // namespace
}  // namespace bsq::test
