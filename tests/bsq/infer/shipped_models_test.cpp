#include <gtest/gtest.h>
#include <torch/utils.h>

#include "bsq/base/error.h"
#include "bsq/data/dataset.h"
#include "bsq/infer/engine.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/checkpoint/program_text.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr int64_t kImages = 500;

struct Shipped {
  std::string path;
  std::shared_ptr<Network> network;
};

Shipped shipped(const std::string& name) {
  register_methods();
  torch::set_num_threads(1);
  const std::string path = BSQ_SOURCE "/checkpoints/resnet20-cifar10-" + name + ".h5";
  const auto file = read_checkpoint(path);
  auto network = make_network(file.description);
  load_network(*network, file.network);
  network->eval();
  return {path, network};
}

ImageDataset exact_images() {
  DatasetOptions options;
  options.folder = shared_folder() + "/data/cifar10-exact";
  return load_dataset(options).test.subset(0, kImages);
}

torch::Tensor normalized(const torch::Tensor& images) {
  const Normalization normal;
  const auto numbers = [](const std::array<float, 3>& three) {
    return torch::tensor({three[0], three[1], three[2]}).view({1, 3, 1, 1});
  };
  return images.to(torch::kFloat32).div(255).sub(numbers(normal.mean)).div(numbers(normal.std));
}

// Of every kind of layer: 8 bits (16-bit products), 0 to 8 bits, 3 bits (8-bit products).
TEST(ShippedModels, EngineGivesTheClassesOfTheTrainer) {
  if (shared_folder().empty()) {
    GTEST_SKIP() << "no shared data; BSQ_SHARED names their folder";
  }
  const auto images = exact_images();
  const auto floats = normalized(images.images);
  torch::NoGradGuard no_grad;
  for (const std::string name : {"fixed-8", "alpha-0.1509", "fixed-3"}) {
    SCOPED_TRACE(name);
    const auto [path, network] = shipped(name);
    const infer::Engine engine(infer::read_model(path), program_text(*network));
    auto ours = torch::empty({kImages, 10});
    engine.run(images.images.data_ptr<uint8_t>(), kImages, ours.data_ptr<float>());
    const auto theirs = network->forward(floats);
    const auto differs = ours.argmax(1).ne(theirs.argmax(1));
    EXPECT_EQ(differs.sum().item<int64_t>(), 0);
    EXPECT_LE((ours - theirs).abs().mean().item<double>(), 0.01);
  }
}

TEST(ShippedModels, FilesOfVersion1HoldTheSameValues) {
  const auto [path, network] = shipped("alpha-0.1509");
  const auto stored = infer::read_model(path);
  for (const auto& [name, tensor] : float_state(*network)) {
    SCOPED_TRACE(name);
    const auto codes = stored.codes.find(name);
    const auto values = codes == stored.codes.end() ? stored.arrays.at(name).values : codes->second.values();
    EXPECT_TRUE(torch::allclose(torch::tensor(values).view(tensor.value.sizes()),
                                tensor.value.to(torch::kFloat32),
                                /*rtol=*/1e-6, /*atol=*/0));
  }
}

TEST(ShippedModels, AFileWithoutAProgramIsRefusedAlone) {
  const auto path = std::string(BSQ_SOURCE) + "/checkpoints/resnet20-cifar10-alpha-0.1509.h5";
  try {
    infer::Engine engine(path);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("does not say how its network computes"), std::string::npos);
  }
}

}  // namespace
}  // namespace bsq::test
