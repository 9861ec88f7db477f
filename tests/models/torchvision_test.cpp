#include <torch/nn/module.h>
#include <torch/utils.h>

#include <map>
#include <sstream>
#include <string>

#include "bsq/data/file_images.h"
#include "bsq/data/resample.h"
#include "bsq/io/model_file.h"
#include "bsq/io/rename.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

// Writes each network with random weights and statistics, what it makes of random images, and its parameters
// without those of the auxiliary classifier. Forms: old and zip files, with and without "module.".
const char kWrite[] = R"(
import sys
try:
    import torch, torchvision
except ImportError:
    sys.exit(9)
torch.manual_seed(1)
folder = sys.argv[1]
for name, side in (('resnet18', 97), ('resnet34', 0), ('resnet50', 96), ('resnet101', 0), ('mobilenet_v2', 96),
                   ('inception_v3', 139)):
    maker = getattr(torchvision.models, name)
    network = maker(weights=None, init_weights=False) if name == 'inception_v3' else maker(weights=None)
    state = network.state_dict()
    parameters = sum(p.numel() for n, p in network.named_parameters() if not n.startswith('AuxLogits'))
    print(name, side, parameters)
    if side == 0:
        continue
    for key, tensor in state.items():
        if key.endswith('running_mean'):
            tensor.normal_(0, 0.2)
        elif key.endswith('running_var'):
            tensor.uniform_(0.6, 1.4)
        elif key.endswith('fc.weight') or key.endswith('classifier.1.weight'):
            tensor.normal_(0, 0.05)
        elif tensor.dim() == 1 and tensor.is_floating_point():
            tensor.uniform_(0.5, 1) if key.endswith('weight') else tensor.normal_(0, 0.1)
        elif tensor.dim() == 4:
            tensor.normal_(0, (1.5 / tensor[0].numel()) ** 0.5)
    network.load_state_dict(state)
    network.eval()
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        logits = network(images)
    if name == 'resnet50':
        state = {'state_dict': {'module.' + key: tensor for key, tensor in state.items()}, 'epoch': 3}
    torch.save(state, f'{folder}/{name}.pth', _use_new_zipfile_serialization=name != 'resnet18')
    torch.save({'images.weight': images, 'logits.weight': logits}, f'{folder}/{name}.run.pth')
)";

std::string python() { return BSQ_PYTHON; }

// The scripts' own status.
constexpr int kNoTorchvision = 9;

CommandResult run_python(const char* script, const std::string& folder) {
  if (python().empty()) {
    return {kNoTorchvision, "", ""};
  }
  write_bytes(folder + "/write.py", script);
  return run_command("'" + python() + "' " + folder + "/write.py " + folder);
}

NetworkState state_of(const std::string& path) {
  std::string fault;
  return read_model_or_tensors(path, fault).checkpoint.network;
}

torch::Tensor tensor_of(const NetworkState& state, const std::string& wanted) {
  for (const auto& [name, stored] : state) {
    if (name == wanted) {
      return stored.value;
    }
  }
  throw std::out_of_range(wanted);
}

NetworkDescription describe(const std::string& name, int64_t side) {
  NetworkDescription description;
  description.architecture = name;
  description.classes = 1000;
  description.activation_bits = 0;
  description.image_height = description.image_width = side;
  return description;
}

int64_t parameters_of(const torch::nn::Module& network) {
  int64_t count = 0;
  for (const auto& parameter : network.parameters()) {
    count += parameter.numel();
  }
  return count;
}

torch::Tensor logits_of(const std::string& folder, const std::string& name, Network& network,
                        const torch::Tensor& images) {
  auto state = state_of(folder + "/" + name + ".pth");
  drop_common_prefixes(state, state_names(network));
  drop_tensors(state, training_only(network.description()));
  load_network(network, state, StateOrigin::kImported);
  network.eval();
  return network.forward(images);
}

TEST(Torchvision, WeightsLoadAndGiveTheSameLogits) {
  const TemporaryFolder folder;
  const auto written = run_python(kWrite, folder.path().string());
  if (written.status == kNoTorchvision) {
    GTEST_SKIP() << "no Python with torchvision at '" << python() << "'";
  }
  ASSERT_EQ(written.status, 0) << written.err;
  torch::NoGradGuard no_grad;
  std::istringstream lines(written.out);
  std::string name;
  int64_t side = 0, parameters = 0;
  while (lines >> name >> side >> parameters) {
    SCOPED_TRACE(name);
    const auto network = make_network(describe(name, side == 0 ? 224 : side));
    EXPECT_EQ(parameters_of(*network), parameters);
    if (side > 0) {
      const auto run = state_of(folder.file(name + ".run.pth"));
      const auto expected = tensor_of(run, "logits.weight");
      const auto logits = logits_of(folder.path().string(), name, *network, tensor_of(run, "images.weight"));
      EXPECT_GT(expected.abs().max().item<double>(), 0.05);
      EXPECT_TRUE(torch::allclose(logits, expected, /*rtol=*/1e-4, /*atol=*/1e-4))
          << (logits - expected).abs().max().item<double>() << " of " << expected.abs().max().item<double>();
    }
  }
  EXPECT_EQ(name, "inception_v3");
}

// A picture as Resize and CenterCrop make an image of it, and random parts of it resized.
const char kPicture[] = R"(
import sys
try:
    import numpy, torch, torchvision.transforms.functional as F
    from PIL import Image
except ImportError:
    sys.exit(9)
folder = sys.argv[1]
noise = numpy.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=numpy.uint8)
Image.fromarray(noise).resize((500, 375), Image.BICUBIC).save(folder + '/picture.jpg', quality=90)
picture = Image.open(folder + '/picture.jpg').convert('RGB')
tensor = lambda image: torch.from_numpy(numpy.array(image)).permute(2, 0, 1).contiguous().float()
torch.save({'middle.weight': tensor(F.center_crop(F.resize(picture, 256), 224)),
            'part.weight': tensor(F.resized_crop(picture, 31, 77, 260, 301, [224, 224])),
            'small.weight': tensor(F.resized_crop(picture, 200, 300, 90, 110, [224, 224]))}, folder + '/images.pth')
)";

TEST(Torchvision, PicturesBecomeTheSameImages) {
  const TemporaryFolder folder;
  const auto written = run_python(kPicture, folder.path().string());
  if (written.status == kNoTorchvision) {
    GTEST_SKIP() << "no Python with torchvision at '" << python() << "'";
  }
  ASSERT_EQ(written.status, 0) << written.err;
  const ImageFile file(folder.file("picture.jpg"));
  const auto expected = state_of(folder.file("images.pth"));
  const auto check = [&](const char* name, const Box& box, bool is_cut) {
    const auto image = torch::empty({3, 224, 224}, torch::kUInt8);
    resample(file.decode(box, {224, 224}), box, is_cut, {224, 224}, image.data_ptr<uint8_t>());
    const auto difference = (image.to(torch::kFloat32) - tensor_of(expected, name)).abs();
    EXPECT_LE(difference.max().item<double>(), 1) << name;
  };
  check("middle.weight", center_crop(file.size(), 256, {224, 224}), /*is_cut=*/false);
  check("part.weight", {31, 77, 260, 301}, /*is_cut=*/true);
  check("small.weight", {200, 300, 90, 110}, /*is_cut=*/true);
}

}  // namespace
}  // namespace bsq::test
