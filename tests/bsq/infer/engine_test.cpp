#include "bsq/infer/engine.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <algorithm>

#include "bsq/base/error.h"
#include "bsq/infer/graph.h"
#include "bsq/infer/reference.h"
#include "tests/bsq/infer/networks.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

const std::vector<NetworkCase>& cases() {
  static const std::vector<NetworkCase> cases = {
      {"bsq", "resnet", {{"depth", "8"}}, "frozen", 4, 4},
      {"bsq8", "resnet", {{"depth", "8"}}, "frozen", 8, 3},
      {"sawb", "resnet", {{"depth", "8"}, {"shortcut", "A"}}, "sawb", 4, 4},
      {"dorefa", "preresnet", {{"depth", "8"}}, "dorefa", 2, 2},
      {"lsq", "mobilenet_v1", {{"multiplier", "0.25"}}, "lsq", 4, 4},
      {"lsq_v2", "mobilenet_v2", {{"width", "0.25"}}, "lsq", 3, 8},
      {"densenet", "densenet", {{"depth", "10"}}, "lsq", 4, 4},
      {"resnext", "resnext", {{"depth", "11"}, {"cardinality", "2"}, {"base-width", "8"}}, "frozen", 3, 4},
      {"profit", "resnet", {{"depth", "8"}}, "profit", 4, 4},
      {"hysteresis", "resnet", {{"depth", "8"}}, "hysteresis", 1, 2},
      {"alexnet", "alexnet", {}, "dorefa", 3, 4},
  };
  return cases;
}

torch::Tensor run(const infer::Engine& engine, const torch::Tensor& images, int threads = 1) {
  auto logits = torch::empty({images.size(0), engine.classes()});
  engine.run(images.contiguous().data_ptr<float>(), images.size(0), logits.data_ptr<float>(), threads);
  return logits;
}

torch::Tensor run_reference(const infer::Plan& plan, const torch::Tensor& images) {
  std::vector<torch::Tensor> logits;
  for (const auto& image : images.unbind(0)) {
    const auto flat = image.contiguous();
    const auto* first = flat.data_ptr<float>();
    logits.push_back(torch::tensor(infer::run_reference(plan, {first, first + flat.numel()})));
  }
  return torch::stack(logits);
}

TEST(Engine, Figures) {
  torch::set_num_threads(1);
  for (const auto& wanted : cases()) {
    SCOPED_TRACE(wanted.name);
    const TemporaryFolder folder;
    auto network = random_network(wanted);
    write_model(folder.file("a.h5"), *network);
    try {
      const infer::Engine fast(folder.file("a.h5"));
      const infer::Engine slow(infer::read_model(folder.file("a.h5")), "", infer::kPortableKernels);
      torch::NoGradGuard no_grad;
      const auto images = random_images(32);
      const auto ours = run(fast, images), theirs = network->forward(images);
      std::cout << wanted.name << " max " << (ours - theirs).abs().max().item<float>() << " mean "
                << (ours - theirs).abs().mean().item<float>() << " std " << theirs.std().item<float>()
                << " same " << ours.argmax(1).eq(theirs.argmax(1)).sum().item<int64_t>() << " of 32\n";
      const auto few = images.slice(0, 0, 2);
      EXPECT_TRUE(same_bits(run(slow, few), ours.slice(0, 0, 2)));
      EXPECT_TRUE(same_bits(run_reference(fast.plan(), few), ours.slice(0, 0, 2)));
      std::cout << fast.profile(images[0].contiguous().data_ptr<float>());
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

}  // namespace
}  // namespace bsq::test
