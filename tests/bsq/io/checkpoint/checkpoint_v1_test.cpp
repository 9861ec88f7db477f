#include <filesystem>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/methods/bsq/plane_optimizer.h"
#include "bsq/nn/network_sizes.h"
#include "tests/bsq/nn/small_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

std::string v1_file(const std::string& name) { return BSQ_SOURCE "/tests/bsq/io/checkpoint/v1/" + name; }

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".h5") {
      files.push_back(entry.path().string());
    }
  }
  EXPECT_FALSE(files.empty()) << folder;
  return files;
}

// In the form of version 2: it is written, and comes back the same.
void expect_upgraded(const Checkpoint& checkpoint) {
  const TemporaryFolder folder;
  write_checkpoint(folder.file("a.h5"), checkpoint);
  const auto again = read_checkpoint(folder.file("a.h5"));
  EXPECT_EQ(again.method, checkpoint.method);
  EXPECT_EQ(again.description.options, checkpoint.description.options);
  expect_same_state(again.network, checkpoint.network);
  ASSERT_EQ(again.training.has_value(), checkpoint.training.has_value());
  if (again.training) {
    expect_same_state(again.training->network, checkpoint.training->network);
    EXPECT_EQ(again.training->optimizer.size(), checkpoint.training->optimizer.size());
  }
}

TEST(CheckpointV1, EveryFileIsUpgraded) {
  for (const char* folder : {"/tests/bsq/io/checkpoint/v1", "/checkpoints"}) {
    for (const auto& file : files_in(std::string(BSQ_SOURCE) + folder)) {
      SCOPED_TRACE(file);
      expect_upgraded(read_checkpoint(file));
    }
  }
}

TEST(CheckpointV1, ShippedModelsHaveTheirSizes) {
  for (const auto& file : files_in(BSQ_SOURCE "/checkpoints")) {
    SCOPED_TRACE(file);
    const auto checkpoint = read_checkpoint(file);
    const auto sizes = sizes_of(checkpoint.network);
    EXPECT_EQ(sizes.comp(), checkpoint.comp);
    EXPECT_EQ(sizes.comp_stored(), checkpoint.comp_stored);
    EXPECT_EQ(checkpoint.method, checkpoint.comp == 1 ? "float" : "bsq");
    EXPECT_EQ(checkpoint.description.architecture, "resnet");
    EXPECT_EQ(checkpoint.description.activation, "uniform");
    auto options = checkpoint.description.options;
    options.insert({"shortcut", "B"});  // older files do not name it
    EXPECT_EQ(options, (std::map<std::string, std::string>{{"block-name", "BasicBlock"},
                                                           {"depth", "20"},
                                                           {"quantize-shortcut", "false"},
                                                           {"shortcut", "B"}}));
  }
}

TEST(CheckpointV1, CodesOfShippedModelsAreSignAndMagnitude) {
  for (const auto& file : files_in(BSQ_SOURCE "/checkpoints")) {
    SCOPED_TRACE(file);
    const auto checkpoint = read_checkpoint(file);
    const auto codes = codes_of(checkpoint.network);
    EXPECT_EQ(codes.size(), checkpoint.method == "float" ? 0U : 21U);
    for (const auto& [name, tensor] : codes) {
      EXPECT_EQ(tensor.format, sign_magnitude(tensor.format.bits)) << name;
    }
  }
}

// A run of planes that was interrupted: momenta have the names of the registered tensors, so the run goes on.
TEST(CheckpointV1, MomentaOfPlanesFindTheirTensors) {
  const auto checkpoint = read_checkpoint(v1_file("training-bits.h5"));
  EXPECT_EQ(checkpoint.method, "bsq");
  ASSERT_TRUE(checkpoint.training.has_value());
  SmallNetwork network;
  load_network(network, checkpoint.training->network);
  EXPECT_EQ(network.conv1->weight_source().kind(), "bsq");
  PlaneOptimizer optimizer(network, SgdOptions(), published_rule(/*alpha=*/0));
  ASSERT_NO_THROW(optimizer.load(checkpoint.training->optimizer));
  const auto state = optimizer.state();
  int64_t number = 0;  // the file numbers its momenta in the order of their old names
  for (const char* name :
       {"bn1.bias", "bn1.weight", "conv1.nweight", "conv1.pweight", "conv1.scale", "conv2.nbias",
        "conv2.pbias", "conv2.biasscale", "conv2.nweight", "conv2.pweight", "conv2.scale", "fc.nbias",
        "fc.pbias", "fc.biasscale", "fc.nweight", "fc.pweight", "fc.scale", "shortcut.weight"}) {
    EXPECT_TRUE(state.at(name).eq(static_cast<double>(number++)).all().item<bool>()) << name;
  }
  EXPECT_EQ(static_cast<size_t>(number), state.size());
}

TEST(CheckpointV1, ScalesOfFrozenTensorsBecomeEntries) {
  auto checkpoint = read_checkpoint(v1_file("training-frozen.h5"));
  EXPECT_EQ(checkpoint.method, "frozen");
  ASSERT_TRUE(checkpoint.training.has_value());
  const auto& weight = entry_in(checkpoint.network, "fc.weight");
  EXPECT_EQ(weight.encoding, Encoding::kLatent);
  EXPECT_EQ(weight.source, "frozen");
  EXPECT_FALSE(weight.scale.defined());
  EXPECT_EQ(entry_in(checkpoint.network, "fc.scale").value.item<float>(), 0.5F);
  EXPECT_EQ(entry_in(checkpoint.network, "fc.biasscale").value.item<float>(), 0.25F);
  SmallNetwork network;
  load_network(network, checkpoint.network);
  EXPECT_EQ(network.fc->weight_source().kind(), "frozen");
  EXPECT_EQ(network.conv2->bias_source()->bits(), 0) << "0 bits stay 0 bits";
  Sgd optimizer(network, SgdOptions());
  ASSERT_NO_THROW(optimizer.load(checkpoint.training->optimizer));
  EXPECT_EQ(optimizer.state().at("fc.biasscale").item<float>(), 7.0F);
  EXPECT_EQ(sizes_of(checkpoint.network).stored_bits, sizes_of(network).stored_bits);
}

TEST(CheckpointV1, FilesOlderThanARateFactorHaveOne) {
  const auto checkpoint = read_checkpoint(v1_file("training-frozen.h5"));
  EXPECT_EQ(checkpoint.training->rate_factor, 1.0);
  EXPECT_TRUE(checkpoint.training->method.empty());
}

}  // namespace
}  // namespace bsq::test
