#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include <cmath>

#include "bsq/base/options.h"
#include "bsq/methods/methods.h"
#include "bsq/methods/sawb/sawb_quantizer.h"
#include "bsq/nn/activation_factory.h"
#include "tests/golden/golden_model.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr double kValueTolerance = 1e-9;
constexpr double kTrainedTolerance = 1e-8;

void replace(std::string& text, const std::string& part, const std::string& by) {
  const auto at = text.find(part);
  if (at != std::string::npos) {
    text.replace(at, part.size(), by);
  }
}

// "stage_1.0.conv_a.AQ.alpha" is our "layer1.0.conv1_input.alpha".
std::string our_name(std::string name) {
  const std::pair<const char*, const char*> renamed[] = {
      {"conv_1_3x3", "conv1"}, {"stage_", "layer"},  {"conv_a", "conv1"},
      {"conv_b", "conv2"},     {"bn_a", "bn1"},      {"bn_b", "bn2"},
      {"bn_1", "bn1"},         {"classifier", "fc"}, {".AQ", "_input"}};
  for (const auto& [from, to] : renamed) {
    replace(name, from, to);
  }
  return name;
}

using Tensors = std::map<std::string, torch::Tensor>;

Tensors tensors_of(torch::nn::Module& network, bool gradients = false) {
  Tensors tensors;
  for (const auto& item : network.named_parameters()) {
    tensors[item.key()] = gradients ? item.value().grad() : item.value().detach();
  }
  for (const auto& item : network.named_buffers()) {
    tensors[item.key()] = gradients ? torch::Tensor() : item.value();
  }
  return tensors;
}

void expect_near(double ours, double golden, double size, double tolerance, const std::string& what) {
  EXPECT_LE(std::abs(ours - golden), tolerance * std::max(size, 1e-6))
      << what << ": " << ours << ", golden " << golden;
}

// Sum, sum of squares and, where they are whole, all values of a golden group's tensors.
void expect_tensors(const GoldenFile& golden, const std::string& group, const Tensors& ours,
                    double tolerance) {
  for (const auto& name : golden.members(group)) {
    const auto object = group + "/" + name;
    const auto found = ours.find(our_name(name));
    if (found == ours.end()) {
      EXPECT_EQ(name, "conv_1_3x3.AQ.alpha") << "only what reads the image has no quantizer here";
      continue;
    }
    const auto values = found->second.to(torch::kFloat64);
    const double size = values.abs().sum().item<double>();
    expect_near(values.sum().item<double>(), golden.number(object, "sum"), size, tolerance, object);
    const double squares = golden.number(object, "sum_of_squares");
    expect_near(values.square().sum().item<double>(), squares, squares, tolerance, object);
    if (golden.has(object + "/value")) {
      const auto whole = golden.tensor(object + "/value").view(values.sizes());
      expect_near((values - whole).abs().max().item<double>(), 0, whole.abs().max().item<double>(), tolerance,
                  object);
    }
  }
}

struct SawbRun {
  const GoldenFile& golden;
  std::string name;

  double number(const std::string& attribute) const {
    return golden.has_attribute(name, attribute) ? golden.number(name, attribute)
                                                 : golden.number("/", attribute);
  }
  Batch batch(int64_t step) const {
    const auto size = static_cast<int64_t>(number("batch"));
    return images(static_cast<int64_t>(number("first_image")) + size * step, size);
  }

  // Normalized in float64 throughout.
  static Batch images(int64_t first, int64_t count) {
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

  std::unique_ptr<Method> method() const {
    auto made = make_method("sawb");
    OptionTable table;
    made->add_options(table);
    table.set("channel-wise", number("channel_wise") != 0 ? "true" : "false");
    table.set("pact-alpha", std::to_string(number("alpha_init")));
    table.set("a-lambda", std::to_string(number("a_lambda")));
    return made;
  }

  std::shared_ptr<Network> network(Method& method) const {
    NetworkDescription description;
    description.activation_bits = static_cast<int64_t>(number("abit"));
    auto network = make_network(method.adapted(description));
    network->to(torch::kFloat64);
    auto own = tensors_of(*network);
    torch::NoGradGuard no_grad;
    for (const auto& tensor : golden.members("initial")) {
      own.at(our_name(tensor)).copy_(golden.tensor("initial/" + tensor));
    }
    method.begin(*network, {LayerRules(static_cast<int64_t>(number("wbit")))});
    return network;
  }
};

void expect_clips(const SawbRun& run, torch::nn::Module& network) {
  const auto group = run.name + "/weight_clip";
  Tensors clips;
  for (const auto& ref : coded_sources(network)) {
    const auto codes = *ref.source().codes();
    clips[ref.name] = codes.scale * static_cast<double>(sawb_levels(codes.format.bits));
  }
  for (const auto& name : run.golden.members(group)) {
    auto own = our_name(name);
    if (clips.count(own) == 0) {
      own += ".weight";
    }
    ASSERT_EQ(clips.count(own), 1U) << name;
    const auto golden = run.golden.tensor(group + "/" + name);
    ASSERT_EQ(golden.numel(), clips[own].numel()) << name;
    expect_near((clips[own].view(golden.sizes()) - golden).abs().max().item<double>(), 0,
                golden.abs().max().item<double>(), kTrainedTolerance, group + "/" + name);
  }
}

void expect_logits(const torch::Tensor& logits, const torch::Tensor& golden, double tolerance,
                   const std::string& what) {
  expect_near((logits - golden).abs().max().item<double>(), 0, golden.abs().max().item<double>(), tolerance,
              what);
}

void expect_run(const SawbRun& run) {
  const auto method = run.method();
  const auto network = run.network(*method);
  const auto optimizer =
      method->make_optimizer(*network, {run.number("momentum"), run.number("weight_decay")});
  const auto losses = run.golden.tensor(run.name + "/loss");
  const auto entropies = run.golden.tensor(run.name + "/cross_entropy");
  // The stem's quantizer, which reads the image and is not used, counts in the published sum.
  const double unused = run.number("a_lambda") * run.number("alpha_init") * run.number("alpha_init");
  network->train();
  for (int64_t t = 0; t < static_cast<int64_t>(run.number("steps")); ++t) {
    const auto what = run.name + " step " + std::to_string(t);
    const auto batch = run.batch(t);
    const double penalty = method->measure(*network, {}, 1, Sizes()).at(0) + unused;
    optimizer->zero_grad();
    const auto logits = network->forward(batch.images);
    const auto loss = torch::nn::functional::cross_entropy(logits, batch.labels);
    loss.backward();
    const double entropy = entropies[t].item<double>();
    expect_near(loss.item<double>(), entropy, entropy, kTrainedTolerance, what);
    // The published penalty is added in float32.
    expect_near(loss.item<double>() + penalty, losses[t].item<double>(), entropy, 1e-6, what);
    if (t == 0) {
      expect_logits(logits, run.golden.tensor(run.name + "/logits_step0"), kValueTolerance, what);
      expect_tensors(run.golden, run.name + "/grad_step0", tensors_of(*network, /*gradients=*/true),
                     kTrainedTolerance);
    }
    if (t + 1 == static_cast<int64_t>(run.number("steps"))) {
      expect_clips(run, *network);
    }
    optimizer->step(run.number("lr"));
  }
  expect_tensors(run.golden, run.name + "/after", tensors_of(*network), kTrainedTolerance);
  network->eval();
  const auto golden = run.golden.tensor(run.name + "/logits_eval_after");
  const auto images = SawbRun::images(static_cast<int64_t>(run.number("first_image")), golden.size(0));
  torch::NoGradGuard no_grad;
  expect_logits(network->forward(images.images), golden, kTrainedTolerance, run.name + " after");
}

TEST(SawbGolden, ResNetTrainsAsPublished) {
  const auto path = golden_methods_path("sawb_train.h5");
  if (path.empty() || !has_shared_files()) {
    GTEST_SKIP() << "the golden folder of methods or the shared data are missing";
  }
  const GoldenFile golden(path);
  int runs = 0;
  for (const auto& name : golden.members("/")) {
    if (name != "initial") {
      expect_run({golden, name});
      ++runs;
    }
  }
  EXPECT_GT(runs, 0);
}

}  // namespace
}  // namespace bsq::test
