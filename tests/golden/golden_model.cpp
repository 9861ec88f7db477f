#include "tests/golden/golden_model.h"

#include <torch/utils.h>

#include "bsq/data/dataset.h"
#include "bsq/io/model_file.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

const DatasetSplits& exact_data() {
  static const DatasetSplits data = [] {
    DatasetOptions options;
    options.folder = shared_folder() + "/data/cifar10-exact";
    return load_dataset(options);
  }();
  return data;
}

std::string checkpoint_path() { return shared_folder() + "/checkpoints/bsq-resnet20-cifar10.pth.tar"; }

void expect_close(const torch::Tensor& ours, const torch::Tensor& golden, double tolerance,
                  const std::string& what) {
  const auto difference = (ours.to(torch::kFloat64) - golden).abs().max().item<double>();
  const auto size = golden.abs().max().item<double>();
  EXPECT_LE(difference, tolerance * std::max(size, 1e-30)) << what;
}

void expect_planes(const GoldenFile& golden, const std::string& prefix, const torch::Tensor& planes,
                   double tolerance) {
  const auto values = planes.to(torch::kFloat64);
  if (golden.has(prefix)) {
    const auto whole = golden.tensor(prefix).movedim(-1, 0);
    ASSERT_EQ(whole.sizes(), values.sizes()) << prefix;
    expect_close(values, whole, tolerance, prefix);
  }
  expect_close(values.flatten(1).sum(1), golden.tensor(prefix + "_sum"), tolerance, prefix + "_sum");
  expect_close(values.flatten(1).square().sum(1), golden.tensor(prefix + "_sum_of_squares"), tolerance,
               prefix + "_sum_of_squares");
}

// `bias`: "bias_" for a bias, as the golden files name its parts.
void expect_weight(const GoldenFile& golden, const std::string& group, const std::string& bias,
                   const PlaneWeight& weight, double tolerance) {
  torch::NoGradGuard no_grad;
  ASSERT_EQ(weight.bits(), static_cast<int64_t>(golden.number(group, bias + "bits"))) << group << " " << bias;
  const double scale = golden.number(group, bias + "scale");
  EXPECT_LE(std::abs(weight.planes().scale.item<double>() - scale), tolerance * std::abs(scale))
      << group << " " << bias;
  expect_planes(golden, group + "/" + bias + "pos", weight.planes().positive, tolerance);
  expect_planes(golden, group + "/" + bias + "neg", weight.planes().negative, tolerance);
}

}  // namespace

bool has_shared_files() {
  if (shared_folder().empty()) {
    return false;
  }
  EXPECT_TRUE(std::filesystem::exists(checkpoint_path())) << "missing: " << checkpoint_path();
  return true;
}

std::shared_ptr<Network> pretrained_network(int64_t activation_bits) {
  NetworkDescription description;
  description.activation_bits = activation_bits;
  description.activation_range = ActivationRange::kBatch;
  auto network = make_network(description);
  load_network(*network, read_model(checkpoint_path()).checkpoint.network, StateOrigin::kImported);
  return network;
}

ImageDataset exact_pixels(bool is_test, int64_t first, int64_t count) {
  return (is_test ? exact_data().test : exact_data().train).subset(first, count);
}

Batch exact_images(bool is_test, int64_t first, int64_t count) {
  LoaderOptions options;
  options.batch_size = count;
  options.workers = 0;
  options.type = torch::kFloat64;
  BatchLoader loader(exact_pixels(is_test, first, count), options);
  loader.start(/*epoch=*/0);
  return *loader.next();
}

ExactEvaluation evaluate_exactly(Network& network) {
  torch::NoGradGuard no_grad;
  network.eval();
  ExactEvaluation result{};
  int64_t right = 0;
  for (int64_t first = 0; first < 1000; first += 250) {
    const auto batch = exact_images(/*is_test=*/true, first, 250);
    const auto logits = network.forward(batch.images);
    right += logits.argmax(1).eq(batch.labels).sum().item<int64_t>();
    if (first == 0) {
      result.first_logits = logits.slice(/*dim=*/0, 0, 64);
    }
  }
  result.top1 = static_cast<double>(right) / 10.0;
  return result;
}

void expect_bits(const GoldenFile& golden, const std::string& group, Network& network, double tolerance) {
  for (const auto& ref : coded_sources(network)) {
    const auto own = group + "/" + ref.name.substr(0, ref.name.rfind('.'));
    ASSERT_TRUE(golden.has(own)) << own;
    expect_weight(golden, own, ref.is_bias ? "bias_" : "", dynamic_cast<const PlaneWeight&>(ref.source()),
                  tolerance);
  }
}

}  // namespace bsq::test
