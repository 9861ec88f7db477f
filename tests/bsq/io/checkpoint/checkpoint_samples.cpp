#include "tests/bsq/io/checkpoint/checkpoint_samples.h"

#include <torch/utils.h>

#include <cmath>
#include <limits>

#include "bsq/io/checkpoint/packing.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

void add_float(NetworkState& network, const std::string& name, const torch::Tensor& value) {
  StoredTensor entry;
  entry.value = value;
  network.emplace_back(name, entry);
}

void add_codes(NetworkState& network, const std::string& name, torch::IntArrayRef shape,
               const CodeFormat& format, const torch::Tensor& scale) {
  StoredTensor entry;
  entry.encoding = Encoding::kCodes;
  const int64_t places = (format.high() - format.low) / format.step;
  entry.value = torch::randint(0, places + 1, shape, torch::kInt32).mul_(format.step).add_(format.low);
  entry.scale = scale;
  entry.format = format;
  entry.bits = format.bits;
  network.emplace_back(name, entry);
}

void add_binary(NetworkState& network, const std::string& name, torch::IntArrayRef shape, int64_t bits,
                torch::ScalarType type = torch::kFloat32) {
  add_codes(network, name, shape, sign_magnitude(bits), torch::rand({}, type));
}

void add_planes(NetworkState& network, const std::string& name, std::vector<int64_t> shape, int64_t bits,
                torch::ScalarType type = torch::kFloat32) {
  StoredTensor entry;
  entry.encoding = Encoding::kPlanes;
  entry.source = "bsq";
  shape.insert(shape.begin(), bits);
  entry.positive = torch::rand(shape, type) * 2;
  entry.negative = torch::rand(shape, type) * 2;
  entry.scale = torch::rand({}, type);
  entry.format = sign_magnitude(bits);
  entry.bits = bits;
  network.emplace_back(name, entry);
}

// With its scale, an entry of its own.
void add_latent(NetworkState& network, const std::string& layer, const std::string& noun,
                torch::IntArrayRef shape, const CodeFormat& format, const torch::Tensor& scale) {
  StoredTensor entry;
  entry.encoding = Encoding::kLatent;
  entry.source = "frozen";
  entry.value = format.bits == 0 ? torch::zeros(shape, scale.scalar_type())
                                 : torch::rand(shape, scale.scalar_type()) * 2 - 1;
  entry.format = format;
  entry.bits = format.bits;
  network.emplace_back(layer + "." + noun, entry);
  add_float(network, layer + (noun == "bias" ? ".biasscale" : ".scale"), scale);
}

// Planes whose digits cancel: 3 bits, of which none counts.
void add_empty_planes(NetworkState& network, const std::string& name) {
  add_planes(network, name, {2, 3}, /*bits=*/3);
  auto& entry = network.back().second;
  entry.negative = entry.positive.clone();
  entry.bits = 0;
}

void add_batch_norm(NetworkState& network, const std::string& name, int64_t channels) {
  add_float(network, name + ".weight", torch::rand({channels}));
  add_float(network, name + ".bias", torch::rand({channels}));
  add_float(network, name + ".running_mean", torch::rand({channels}));
  add_float(network, name + ".running_var", torch::rand({channels}));
  add_float(network, name + ".num_batches_tracked", torch::tensor(391, torch::kInt64));
}

TrainingState sample_training() {
  TrainingState state;
  state.next_epoch = 7;
  state.next_step = 123;
  state.learning_rate = 0.1 * 0.1;
  state.rate_factor = 0.25;
  state.best_top1 = 91.23;
  state.best_epoch = 5;
  state.columns = {"Learning Rate", "Valid Acc.", "Reg \"Loss\""};
  state.history = {{0.1, 1.0 / 3, -0.0}, {0.01, 5e-324, std::numeric_limits<double>::infinity()}};
  state.generators = {{"cpu", torch::randint(256, {5056}, torch::kUInt8)}};
  state.optimizer = {{"layer.weight", torch::rand({2, 3})}, {"conv.pweight", torch::rand({4, 2, 2})}};
  state.method = {{"strength", torch::rand({})}, {"signs", torch::randint(2, {3, 2}, torch::kUInt8)}};
  state.sums = {{"loss", 0.1 + 0.2}, {"least", 5e-324}, {"Top 1", -0.0}};
  add_planes(state.network, "fc.weight", {3, 4}, 5);
  add_planes(state.network, "fc.bias", {3}, 2, torch::kFloat64);
  add_float(state.network, "bn.weight", torch::rand({3}));
  return state;
}

void add_block(NetworkState& network, const std::string& name, int64_t in, int64_t out) {
  add_binary(network, name + ".conv1.weight", {out, in, 3, 3}, 3);
  add_batch_norm(network, name + ".bn1", out);
  add_binary(network, name + ".conv2.weight", {out, out, 3, 3}, 3);
  add_batch_norm(network, name + ".bn2", out);
  add_float(network, name + ".relu1.range", torch::rand({}));
  add_float(network, name + ".relu2.range", torch::rand({}));
  if (in == out) return;
  add_float(network, name + ".shortcut.0.weight", torch::rand({out, in, 1, 1}));
  add_batch_norm(network, name + ".shortcut.1", out);
}

}  // namespace

Checkpoint small_checkpoint() {
  torch::manual_seed(3);
  Checkpoint checkpoint;
  checkpoint.method = "bsq";
  checkpoint.description = {"resnet",
                            {{"block-name", "Bottleneck"}, {"depth", "56"}, {"note", "\xc3\xa9t\xc3\xa9"}},
                            /*classes=*/100,
                            /*image_height=*/48,
                            /*image_width=*/40,
                            /*activation=*/"uniform",
                            /*activation_bits=*/3,
                            ActivationRange::kBatch,
                            ActivationPlace::kSharedInput,
                            /*activation_rules=*/{{"layer1.*", 2}, {"fc_input", 0}},
                            /*norm=*/"range"};
  checkpoint.dataset = "cifar100";
  checkpoint.top1 = 92.6;
  checkpoint.epoch = 349;
  checkpoint.comp = 12.25;
  checkpoint.configuration = "lr=0.1\n# \xc3\xa9t\xc3\xa9\n";
  add_binary(checkpoint.network, "z.conv.weight", {4, 3, 3, 3}, 5);
  add_binary(checkpoint.network, "z.conv.bias", {4}, 16, torch::kFloat64);
  add_binary(checkpoint.network, "gone.weight", {4, 3}, 0);
  add_planes(checkpoint.network, "a.weight", {2, 3, 3, 3}, 8);
  add_planes(checkpoint.network, "b.weight", {5, 2}, 1, torch::kFloat64);
  add_float(checkpoint.network, "b.bias", torch::rand({5}));
  add_float(checkpoint.network, "large", torch::rand({100, 50}, torch::kFloat64));
  add_float(checkpoint.network, "count", torch::tensor(int64_t{1} << 40, torch::kInt64));
  add_float(checkpoint.network, "int", torch::tensor({-1, 2}, torch::kInt32));
  add_float(checkpoint.network, "byte", torch::arange(256).to(torch::kUInt8).reshape({16, 16}));
  add_float(checkpoint.network, "none", torch::empty({0, 3}));
  add_codes(checkpoint.network, "twos.weight", {5, 3}, twos_complement(4), torch::rand({5}));
  add_codes(checkpoint.network, "signs.weight", {3, 7},
            {/*bits=*/1, /*levels=*/1, /*low=*/-1, /*step=*/2, /*has_sign_bit=*/false},
            torch::rand({}, torch::kFloat64));
  add_codes(checkpoint.network, "signs.bias", {3},
            {/*bits=*/0, /*levels=*/1, /*low=*/0, /*step=*/1, /*has_sign_bit=*/false}, torch::rand({}));
  add_latent(checkpoint.network, "latent", "weight", {4, 2}, twos_complement(3), torch::rand({4}));
  add_empty_planes(checkpoint.network, "empty.weight");
  checkpoint.training = sample_training();
  return checkpoint;
}

Checkpoint frozen_checkpoint() {
  torch::manual_seed(4);
  Checkpoint checkpoint;
  checkpoint.method = "frozen";
  add_latent(checkpoint.network, "conv", "weight", {3, 2, 3, 3}, sign_magnitude(4),
             torch::rand({}, torch::kFloat64));
  add_latent(checkpoint.network, "conv", "bias", {3}, sign_magnitude(8), torch::rand({}));
  add_latent(checkpoint.network, "fc", "weight", {3, 2}, sign_magnitude(0), torch::rand({}, torch::kFloat64));
  add_float(checkpoint.network, "bn.weight", torch::rand({3}, torch::kFloat64));
  return checkpoint;
}

Checkpoint resnet20_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.method = "bsq";
  checkpoint.configuration = std::string(2000, 'c');
  add_binary(checkpoint.network, "conv1.weight", {16, 3, 3, 3}, 8);
  add_batch_norm(checkpoint.network, "bn1", 16);
  int64_t in = 16;
  for (int stage = 1; stage <= 3; ++stage) {
    for (int block = 0; block < 3; ++block) {
      const int64_t out = int64_t{8} << stage;
      add_block(checkpoint.network, "layer" + std::to_string(stage) + "." + std::to_string(block), in, out);
      in = out;
    }
  }
  add_binary(checkpoint.network, "fc.weight", {10, 64}, 4);
  add_binary(checkpoint.network, "fc.bias", {10}, 8);
  return checkpoint;
}

int64_t payload_bytes(const NetworkState& network) {
  int64_t bytes = 0;
  for (const auto& named : network) {
    const StoredTensor& tensor = named.second;
    bytes += tensor.encoding == Encoding::kCodes ? packed_bytes(tensor.value.numel(), tensor.format)
                                                 : static_cast<int64_t>(tensor.value.nbytes());
  }
  return bytes;
}

namespace {

bool same_number(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

void expect_same_numbers(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(same_number(a[i], b[i])) << a[i] << " and " << b[i];
}

void expect_same_tensors(const torch::Tensor& a, const torch::Tensor& b, const std::string& name) {
  ASSERT_EQ(a.defined(), b.defined()) << name;
  EXPECT_TRUE(!a.defined() || same_bits(a, b)) << name;
  EXPECT_TRUE(!b.defined() || b.is_contiguous()) << name;
}

void expect_same(const NetworkState& a, const NetworkState& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const std::string& name = a[i].first;
    EXPECT_EQ(name, b[i].first);
    EXPECT_EQ(a[i].second.encoding, b[i].second.encoding) << name;
    EXPECT_EQ(a[i].second.source, b[i].second.source) << name;
    EXPECT_EQ(a[i].second.format, b[i].second.format) << name;
    EXPECT_EQ(a[i].second.bits, b[i].second.bits) << name;
    expect_same_tensors(a[i].second.value, b[i].second.value, name);
    expect_same_tensors(a[i].second.positive, b[i].second.positive, name);
    expect_same_tensors(a[i].second.negative, b[i].second.negative, name);
    expect_same_tensors(a[i].second.scale, b[i].second.scale, name);
  }
}

void expect_same(const TrainingState& a, const TrainingState& b) {
  EXPECT_EQ(a.next_epoch, b.next_epoch);
  EXPECT_EQ(a.next_step, b.next_step);
  EXPECT_EQ(a.learning_rate, b.learning_rate);
  EXPECT_EQ(a.rate_factor, b.rate_factor);
  EXPECT_EQ(a.best_top1, b.best_top1);
  EXPECT_EQ(a.best_epoch, b.best_epoch);
  EXPECT_EQ(a.columns, b.columns);
  ASSERT_EQ(a.history.size(), b.history.size());
  for (size_t i = 0; i < a.history.size(); ++i) expect_same_numbers(a.history[i], b.history[i]);
  ASSERT_EQ(a.generators.size(), b.generators.size());
  for (const auto& [name, tensor] : a.generators) expect_same_tensors(tensor, b.generators.at(name), name);
  ASSERT_EQ(a.optimizer.size(), b.optimizer.size());
  for (const auto& [name, tensor] : a.optimizer) expect_same_tensors(tensor, b.optimizer.at(name), name);
  ASSERT_EQ(a.method.size(), b.method.size());
  for (const auto& [name, tensor] : a.method) expect_same_tensors(tensor, b.method.at(name), name);
  ASSERT_EQ(a.sums.size(), b.sums.size());
  for (const auto& [name, sum] : a.sums) EXPECT_TRUE(same_number(sum, b.sums.at(name))) << name;
  expect_same(a.network, b.network);
}

void expect_same(const NetworkDescription& a, const NetworkDescription& b) {
  EXPECT_EQ(a.architecture, b.architecture);
  EXPECT_EQ(a.options, b.options);
  EXPECT_EQ(a.classes, b.classes);
  EXPECT_EQ(a.activation, b.activation);
  EXPECT_EQ(a.activation_bits, b.activation_bits);
  EXPECT_EQ(a.activation_range, b.activation_range);
  EXPECT_EQ(a.activation_place, b.activation_place);
  EXPECT_EQ(a.activation_rules, b.activation_rules);
  EXPECT_EQ(a.norm, b.norm);
}

}  // namespace

void expect_same(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.method, b.method);
  expect_same(a.description, b.description);
  EXPECT_EQ(a.dataset, b.dataset);
  EXPECT_EQ(a.epoch, b.epoch);
  expect_same_numbers({a.top1, a.comp, a.comp_stored}, {b.top1, b.comp, b.comp_stored});
  EXPECT_EQ(a.configuration, b.configuration);
  expect_same(a.network, b.network);
  ASSERT_EQ(a.training.has_value(), b.training.has_value());
  if (a.training) expect_same(*a.training, *b.training);
}

}  // namespace bsq::test
