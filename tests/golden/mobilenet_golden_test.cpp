#include <torch/nn/functional/activation.h>
#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include <cmath>
#include <map>
#include <regex>

#include "bsq/methods/methods.h"
#include "bsq/methods/profit/duq_activation.h"
#include "bsq/methods/profit/duq_quantizer.h"
#include "bsq/methods/profit/profit_optimizer.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "models/registry.h"
#include "tests/golden/golden_model.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr double kValueTolerance = 1e-9;
constexpr double kTrainedTolerance = 1e-8;

using Tensors = std::map<std::string, torch::Tensor>;

Tensors tensors_of(torch::nn::Module& network) {
  Tensors tensors;
  for (const auto& item : network.named_parameters()) {
    tensors[item.key()] = item.value().detach();
  }
  for (const auto& item : network.named_buffers()) {
    tensors[item.key()] = item.value();
  }
  return tensors;
}

// "model.1.0.AQ.a" as "model.1.0_input.a", "model.1.0.WQ.a" as "model.1.0.a".
std::string our_name(const std::string& name) {
  return std::regex_replace(std::regex_replace(name, std::regex("\\.AQ"), "_input"), std::regex("\\.WQ"), "");
}

void expect_near(double ours, double golden, double size, double tolerance, const std::string& what) {
  EXPECT_LE(std::abs(ours - golden), tolerance * std::max(size, 1e-12))
      << what << ": " << ours << ", golden " << golden;
}

void expect_near(const torch::Tensor& ours, const torch::Tensor& golden, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(ours.numel(), golden.numel()) << what;
  const auto difference = (ours.detach().view(golden.sizes()) - golden).abs().max().item<double>();
  expect_near(difference, 0, golden.abs().max().item<double>(), tolerance, what);
}

// The number in an object's description, which has no attribute of its own.
int64_t number_in(const GoldenFile& golden, const std::string& object, const std::string& pattern) {
  const auto about = golden.text(object, "about");
  std::smatch found;
  if (!std::regex_search(about, found, std::regex(pattern))) {
    throw std::runtime_error(object + ": no '" + pattern + "' in its description");
  }
  return std::stoll(found[1]);
}

// A MobileNet run of the golden file.
struct MobileNetRun {
  const GoldenFile& golden;
  std::string name;

  double number(const std::string& attribute) const { return golden.number(name, attribute); }
  int64_t first_image() const { return static_cast<int64_t>(number("first_image")); }
  bool is_channel_wise() const { return number("channel_wise") != 0; }

  // Normalized in float64 throughout.
  Batch images(int64_t first, int64_t count) const {
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

  // The group that holds the stored state: another run's where this one has none.
  std::string initial() const {
    for (const auto& group : golden.members("/")) {
      if (golden.has(name + "/initial")) {
        return name + "/initial";
      }
      if (golden.has(group + "/initial") && golden.has_attribute(group, "width") &&
          golden.number(group, "width") == number("width")) {
        return group + "/initial";
      }
    }
    throw std::runtime_error(name + ": no initial state");
  }

  void load_initial(Network& network) const {
    torch::NoGradGuard no_grad;
    auto own = tensors_of(network);
    const auto group = initial();
    for (const auto& tensor : golden.members(group)) {
      own.at(tensor).copy_(golden.tensor(group + "/" + tensor));
    }
  }

  std::shared_ptr<Network> network() const {
    NetworkDescription description;
    description.architecture = "mobilenet_v1";
    description.options["multiplier"] = std::to_string(number("width"));
    description.activation = DuqActivation::kKind;
    description.activation_bits = DuqActivation::kOff;
    description.activation_place = ActivationPlace::kInput;
    auto network = make_network(description);
    network->to(torch::kFloat64);
    load_initial(*network);
    return network;
  }
};

void set_activation_bits(Network& network, int64_t bits) {
  for (auto* quantizer : activation_quantizers(network)) {
    dynamic_cast<DuqActivation&>(quantizer->activation()).set_bits(bits);
  }
}

void set_weight_bits(const MobileNetRun& run, Network& network, int64_t bits) {
  for (const auto& ref : sources_of(network)) {
    if (ref.is_bias) {
      continue;
    }
    const auto weight = dynamic_cast<const MasterWeight&>(ref.source()).tensor();
    if (bits == DuqActivation::kOff) {
      ref.set(std::make_unique<MasterWeight>(weight.detach().clone().set_requires_grad(true)));
      continue;
    }
    const bool is_channel_wise =
        run.is_channel_wise() && weight.dim() == 4 && ref.layer->role() != LayerRole::kFirst;
    ref.set(std::make_unique<MasterWeight>(weight, DuqQuantizer::for_weights(weight, bits, is_channel_wise)));
  }
}

// a and c of every quantizer, rounded to float32 as the file says.
void take_start(const MobileNetRun& run, Network& network) {
  torch::NoGradGuard no_grad;
  auto own = tensors_of(network);
  for (const auto& name : run.golden.members(run.name + "/start")) {
    const auto start = run.golden.tensor(run.name + "/start/" + name).to(torch::kFloat32);
    for (const std::string part : {".a", ".c"}) {
      const auto found = own.find(our_name(name) + part);
      if (found != own.end()) {
        found->second.copy_(start.view(found->second.sizes()));
      }
    }
  }
}

void expect_calibration(const MobileNetRun& run, Network& network) {
  torch::NoGradGuard no_grad;
  set_activation_bits(network, 8);
  set_weight_bits(run, network, DuqActivation::kOff);
  network.train();
  for (auto* quantizer : activation_quantizers(network)) {
    quantizer->activation().begin_calibration();
  }
  const int64_t images = number_in(run.golden, run.name + "/start", "batch of (\\d+) images");
  network.forward(run.images(run.first_image(), images).images);
  for (auto* quantizer : activation_quantizers(network)) {
    quantizer->activation().end_calibration();
  }
  run.load_initial(network);  // the pass has moved statistics of batch norms
  set_weight_bits(run, network, 8);
  const auto own = tensors_of(network);
  int compared = 0;
  for (const auto& name : run.golden.members(run.name + "/start")) {
    const auto found = own.find(our_name(name) + ".a");
    if (found != own.end()) {
      expect_near(found->second, run.golden.tensor(run.name + "/start/" + name), kValueTolerance,
                  run.name + " start " + name);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 55) << "28 layers; what reads the image has no activation quantizer";
}

void expect_logits(const MobileNetRun& run, Network& network) {
  torch::NoGradGuard no_grad;
  network.eval();
  int compared = 0;
  for (const auto& dataset : run.golden.members(run.name)) {
    std::smatch bits;
    const bool is_float = dataset == "logits_float";
    if (!is_float && !std::regex_match(dataset, bits, std::regex("logits_w(\\d+)_a(\\d+)"))) {
      continue;
    }
    set_weight_bits(run, network, is_float ? DuqActivation::kOff : std::stoll(bits[1]));
    set_activation_bits(network, is_float ? DuqActivation::kOff : std::stoll(bits[2]));
    take_start(run, network);
    const auto golden = run.golden.tensor(run.name + "/" + dataset);
    expect_near(network.forward(run.images(run.first_image(), golden.size(0)).images), golden,
                kValueTolerance, run.name + " " + dataset);
    ++compared;
  }
  EXPECT_GT(compared, 1) << run.name;
}

void expect_state(const MobileNetRun& run, Network& network) {
  const auto group = run.name + "/train/after";
  const auto own = tensors_of(network);
  for (const auto& name : run.golden.members(group)) {
    const auto found = own.find(our_name(name));
    if (found == own.end()) {
      EXPECT_EQ(name.find("model.0.0.AQ"), 0U) << name << ": only what reads the image has no quantizer here";
      continue;
    }
    const auto object = group + "/" + name;
    const auto values = found->second.to(torch::kFloat64);
    expect_near(values.sum().item<double>(), run.golden.number(object, "sum"),
                values.abs().sum().item<double>(), kTrainedTolerance, object);
    const double squares = run.golden.number(object, "sum_of_squares");
    expect_near(values.square().sum().item<double>(), squares, squares, kTrainedTolerance, object);
    if (run.golden.has(object + "/value")) {
      expect_near(values, run.golden.tensor(object + "/value"), kTrainedTolerance, object);
    }
  }
}

void expect_training(const MobileNetRun& run, Network& network, Network& teacher) {
  namespace F = torch::nn::functional;
  const auto group = run.name + "/train";
  const auto number = [&](const char* attribute) { return run.golden.number(group, attribute); };
  const int64_t bits = number_in(run.golden, group, "(\\d+)-bit weights and activations");
  set_weight_bits(run, network, bits);
  set_activation_bits(network, bits);
  take_start(run, network);
  ASSERT_NE(number("nesterov"), 0);
  EXPECT_NEAR(number("lr_quantizers"), 0.01 * number("lr"), 1e-12);
  const auto optimizer = make_profit_optimizer(network, {number("momentum"), number("weight_decay")},
                                               /*weights_rest=*/false, /*frozen=*/{});
  network.train();
  teacher.train();
  const auto entropies = run.golden.tensor(group + "/cross_entropy");
  const auto losses = run.golden.tensor(group + "/loss");
  const auto size = static_cast<int64_t>(number("batch"));
  for (int64_t t = 0; t < static_cast<int64_t>(number("steps")); ++t) {
    const auto what = group + " step " + std::to_string(t);
    const auto batch = run.images(static_cast<int64_t>(number("first_image")) + size * t, size);
    optimizer->zero_grad();
    const auto logits = network.forward(batch.images);
    const auto entropy = F::cross_entropy(logits, batch.labels);
    const auto wanted = teacher.forward(batch.images).detach().softmax(/*dim=*/1);
    const auto loss = entropy - wanted.mul(logits.log_softmax(/*dim=*/1)).sum(/*dim=*/1).mean();
    loss.backward();
    expect_near(entropy, entropies[t], kTrainedTolerance, what + " cross entropy");
    expect_near(loss, losses[t], kTrainedTolerance, what + " loss");
    optimizer->step(number("lr"));
  }
  expect_state(run, network);
  network.eval();
  torch::NoGradGuard no_grad;
  const auto golden = run.golden.tensor(group + "/logits_eval_after");
  expect_near(network.forward(run.images(run.first_image(), golden.size(0)).images), golden,
              kTrainedTolerance, group + " logits after");
}

TEST(MobileNetGolden, CalibratesEvaluatesAndTrainsAsPublished) {
  const auto path = golden_methods_path("profit.h5");
  if (path.empty() || !has_shared_files()) {
    GTEST_SKIP() << "the golden folder of methods or the shared data are missing";
  }
  methods();  // registers the kinds of activations
  const GoldenFile golden(path);
  int runs = 0;
  for (const auto& name : golden.members("/")) {
    if (golden.has(name + "/start") && golden.has(name + "/train")) {
      const MobileNetRun run{golden, name};
      const auto network = run.network();
      expect_calibration(run, *network);
      expect_logits(run, *network);
      expect_training(run, *network, *run.network());
      ++runs;
    }
  }
  EXPECT_GT(runs, 0);
}

}  // namespace
}  // namespace bsq::test
