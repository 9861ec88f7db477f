#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include "bsq/base/error.h"
#include "bsq/io/pytorch/pytorch_reader.h"
#include "bsq/io/pytorch/pytorch_writer.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

CommandResult run_python(const TemporaryFolder& folder, const std::string& script,
                         const std::string& arguments = "") {
  write_bytes(folder.file("script.py"), script);
  return run_command("cd '" + folder.path().string() + "' && '" BSQ_PYTHON "' script.py " + arguments);
}

/// Whether there is a Python with torch, found out once.
bool has_python_torch() {
  static const bool has =
      std::string(BSQ_PYTHON) != "" && run_command("'" BSQ_PYTHON "' -c 'import torch'").status == 0;
  return has;
}

class PyTorchPython : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_python_torch()) {
      GTEST_SKIP() << "no Python with torch at '" BSQ_PYTHON "'";
    }
  }

  std::map<std::string, torch::Tensor> by_name(const PyTorchCheckpoint& checkpoint) const {
    return {checkpoint.state.begin(), checkpoint.state.end()};
  }

  TemporaryFolder folder_;
};

std::string raw_bytes(const torch::Tensor& tensor) {
  return {static_cast<const char*>(tensor.data_ptr()),
          static_cast<size_t>(tensor.numel() * tensor.element_size())};
}

// Writes the names, shapes and raw bytes of every tensor of a file's state dict, in order.
const char kDump[] = R"(
import sys, torch
checkpoint = torch.load(sys.argv[1], map_location='cpu')
with open('names', 'w') as names, open('bytes', 'wb') as data:
    for name, tensor in checkpoint['state_dict'].items():
        names.write(name + ' ' + ' '.join(map(str, tensor.shape)) + '\n')
        data.write(tensor.contiguous().numpy().tobytes())
)";

std::string name_and_shape(const std::string& prefix, const std::pair<std::string, torch::Tensor>& entry) {
  std::ostringstream line;
  line << prefix << entry.first << " ";
  for (int64_t d = 0; d < entry.second.dim(); ++d) {
    line << (d > 0 ? " " : "") << entry.second.size(d);
  }
  line << "\n";
  return line.str();
}

TEST_F(PyTorchPython, ReadsThePublishedCheckpointAsPythonDoes) {
  if (shared_folder().empty()) {
    GTEST_SKIP() << "no folder of shared data";
  }
  const std::string path = shared_folder() + "/checkpoints/bsq-resnet20-cifar10.pth.tar";
  std::ostringstream argument;
  argument << std::filesystem::absolute(path);
  const CommandResult result = run_python(folder_, kDump, argument.str());
  ASSERT_EQ(result.status, 0) << result.err;
  std::string names;
  std::string bytes;
  for (const auto& entry : read_pytorch(path).state) {
    names += name_and_shape("module.", entry);
    bytes += raw_bytes(entry.second);
  }
  EXPECT_EQ(names, read_bytes(folder_.file("names")));
  EXPECT_TRUE(bytes == read_bytes(folder_.file("bytes")));
}

TEST(PyTorchReader, ReadsThePublishedCheckpoint) {
  if (shared_folder().empty()) {
    GTEST_SKIP() << "no folder of shared data";
  }
  const PyTorchCheckpoint checkpoint =
      read_pytorch(shared_folder() + "/checkpoints/bsq-resnet20-cifar10.pth.tar");
  ASSERT_EQ(checkpoint.state.size(), 128U);
  EXPECT_EQ(checkpoint.state[0].first, "conv1.weight");
  EXPECT_EQ(checkpoint.state[0].second.sizes(), torch::IntArrayRef({16, 3, 3, 3}));
  EXPECT_EQ(checkpoint.state.back().first, "fc.bias");
  EXPECT_EQ(checkpoint.epoch, 343);
  EXPECT_EQ(checkpoint.accuracy, 92.55);
  EXPECT_FALSE(checkpoint.has_bits);
}

// Tensors of every kind in both formats; the file names say which.
const char kSave[] = R"(
import collections, numpy, torch
state = collections.OrderedDict()
for name in ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8']:
    state['module.' + name] = torch.arange(12).view(3, 4).to(getattr(torch, name))
state['module.bool'] = torch.arange(12).view(3, 4) % 3 == 0
base = torch.arange(60, dtype=torch.float32).view(3, 4, 5)
state['module.base'] = base
state['module.transposed'] = base.transpose(0, 2)
state['module.strided'] = base[1:, ::2, 1:4]
state['module.scalar'] = base[2, 3, 4]
state['module.empty'] = torch.zeros(0, 3)
state['module.expanded'] = torch.ones(1, 3).expand(4, 3)
state['module.parameter'] = torch.nn.Parameter(torch.full((2, 2), 0.5))
layer = torch.nn.Linear(2, 3)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
layer(torch.ones(1, 2)).sum().backward()
optimizer.step()
checkpoint = {'epoch': 7, 'state_dict': state, 'acc': numpy.float64(91.25), 'best_acc': torch.tensor(92.5),
              'optimizer': optimizer.state_dict(), 'layer': layer.state_dict(), 'arch': 'resnet', 'big': 2**70}
bits = collections.OrderedDict()
for layer, bias in [('conv1', False), ('fc', True)]:
    bits[layer + '.pweight'] = torch.nn.Parameter((torch.arange(48).view(2, 3, 8) % 2).float())
    bits[layer + '.nweight'] = torch.nn.Parameter(torch.zeros(2, 3, 8))
    bits[layer + '.scale'] = torch.nn.Parameter(torch.tensor(0.25))
    if bias:
        bits[layer + '.pbias'] = torch.nn.Parameter(torch.ones(2, 4))
        bits[layer + '.nbias'] = torch.nn.Parameter(torch.zeros(2, 4))
        bits[layer + '.biasscale'] = torch.nn.Parameter(torch.tensor([0.125]))
scheme = {'module.conv1': [8, 0], 'module.fc': [8, 4]}
for new in [False, True]:
    torch.save(checkpoint, 'all%d.pth' % new, _use_new_zipfile_serialization=new)
    torch.save({'state_dict': bits, 'Nbit_dict': scheme, 'best_acc': torch.tensor(92.5), 'epoch': torch.tensor(3)},
               'bits%d.pth' % new, _use_new_zipfile_serialization=new)
    torch.save(torch.nn.Linear(2, 3).state_dict(), 'plain%d.pth' % new, _use_new_zipfile_serialization=new)
    torch.save(checkpoint, 'protocol4%d.pth' % new, _use_new_zipfile_serialization=new,
               pickle_protocol=4 if new else 2)
)";

TEST_F(PyTorchPython, ReadsWhatPythonWrites) {
  const CommandResult result = run_python(folder_, kSave);
  ASSERT_EQ(result.status, 0) << result.err;
  const torch::Tensor numbers = torch::arange(12).view({3, 4});
  const torch::Tensor base = torch::arange(60, torch::kFloat32).view({3, 4, 5});
  for (const char* file : {"all0.pth", "all1.pth", "protocol41.pth"}) {
    const PyTorchCheckpoint checkpoint = read_pytorch(folder_.file(file));
    auto state = by_name(checkpoint);
    EXPECT_EQ(state.size(), 17U);
    const std::pair<const char*, torch::ScalarType> types[] = {
        {"float32", torch::kFloat32},   {"float64", torch::kFloat64}, {"float16", torch::kFloat16},
        {"bfloat16", torch::kBFloat16}, {"int64", torch::kInt64},     {"int32", torch::kInt32},
        {"int16", torch::kInt16},       {"int8", torch::kInt8},       {"uint8", torch::kUInt8}};
    for (const auto& [name, type] : types) {
      EXPECT_TRUE(same_bits(state[name], numbers.to(type))) << file << " " << name;
    }
    EXPECT_TRUE(same_bits(state["bool"], numbers % 3 == 0));
    EXPECT_TRUE(same_bits(state["base"], base));
    EXPECT_TRUE(same_bits(state["transposed"], base.transpose(0, 2)));
    EXPECT_TRUE(state["transposed"].is_contiguous());
    EXPECT_TRUE(same_bits(state["strided"], base.slice(0, 1).slice(1, 0, 4, 2).slice(2, 1, 4)));
    EXPECT_TRUE(same_bits(state["scalar"], torch::tensor(59.0F)));
    EXPECT_TRUE(same_bits(state["empty"], torch::zeros({0, 3})));
    EXPECT_TRUE(same_bits(state["expanded"], torch::ones({4, 3})));
    EXPECT_TRUE(same_bits(state["parameter"], torch::full({2, 2}, 0.5)));
    EXPECT_EQ(checkpoint.epoch, 7);
    EXPECT_EQ(checkpoint.accuracy, 91.25);
    state["base"].zero_();
    EXPECT_EQ(state["scalar"].item<float>(), 59.0F) << "tensors that shared a storage no longer do";
  }
}

TEST_F(PyTorchPython, ReadsPublishedBits) {
  ASSERT_EQ(run_python(folder_, kSave).status, 0);
  for (const char* file : {"bits0.pth", "bits1.pth"}) {
    const PyTorchCheckpoint checkpoint = read_pytorch(folder_.file(file));
    auto state = by_name(checkpoint);
    EXPECT_EQ(state.size(), 9U);
    EXPECT_TRUE(same_bits(state["fc.pweight"], (torch::arange(48).view({2, 3, 8}) % 2).to(torch::kFloat32)));
    EXPECT_EQ(state["conv1.scale"].item<float>(), 0.25F);
    EXPECT_EQ(state["fc.biasscale"].sizes(), torch::IntArrayRef({1}));
    EXPECT_TRUE(checkpoint.has_bits);
    const std::map<std::string, std::pair<int64_t, int64_t>> bits = {{"conv1", {8, 0}}, {"fc", {8, 4}}};
    EXPECT_EQ(checkpoint.bits, bits);
    EXPECT_EQ(checkpoint.accuracy, 92.5);
    EXPECT_EQ(checkpoint.epoch, 3);
  }
  for (const char* file : {"plain0.pth", "plain1.pth"}) {
    const PyTorchCheckpoint checkpoint = read_pytorch(folder_.file(file));
    ASSERT_EQ(checkpoint.state.size(), 2U);
    EXPECT_EQ(checkpoint.state[0].first, "weight");
    EXPECT_FALSE(checkpoint.epoch.has_value());
  }
}

const char kAttack[] = R"(
import os, torch
class Attack:
    def __reduce__(self):
        return os.system, ('touch marker',)
for new in [False, True]:
    torch.save({'state_dict': {'w': torch.ones(2)}, 'attack': Attack()}, 'attack%d.pth' % new,
               _use_new_zipfile_serialization=new)
)";

TEST_F(PyTorchPython, RunsNoCommandThatPythonPickled) {
  ASSERT_EQ(run_python(folder_, kAttack).status, 0);
  for (const char* file : {"attack0.pth", "attack1.pth"}) {
    EXPECT_EQ(read_pytorch(folder_.file(file)).state.size(), 1U);
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.file("marker")));
}

const char kLoad[] = R"(
import torch
checkpoint = torch.load('ours.pth', weights_only=True)
assert list(checkpoint) == ['state_dict', 'epoch', 'acc', 'Nbit_dict'], list(checkpoint)
assert checkpoint['epoch'] == 343 and float(checkpoint['acc']) == 92.55
assert checkpoint['Nbit_dict'] == {'conv1': [8, 0], 'fc': [3, 4]}, checkpoint['Nbit_dict']
state = checkpoint['state_dict']
for name in ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8']:
    assert torch.equal(state[name], torch.arange(12).view(3, 4).to(getattr(torch, name))), name
assert torch.equal(state['bool'], torch.arange(12).view(3, 4) % 3 == 0)
assert state['scalar'].shape == () and state['empty'].shape == (0, 3)
assert type(torch.load('ours.pth')['state_dict']).__name__ == 'OrderedDict'
)";

TEST_F(PyTorchPython, PythonReadsWhatWeWrite) {
  PyTorchCheckpoint checkpoint;
  const torch::Tensor numbers = torch::arange(12).view({3, 4});
  const std::pair<const char*, torch::ScalarType> types[] = {
      {"float32", torch::kFloat32},   {"float64", torch::kFloat64}, {"float16", torch::kFloat16},
      {"bfloat16", torch::kBFloat16}, {"int64", torch::kInt64},     {"int32", torch::kInt32},
      {"int16", torch::kInt16},       {"int8", torch::kInt8},       {"uint8", torch::kUInt8}};
  for (const auto& [name, type] : types) {
    checkpoint.state.emplace_back(name, numbers.to(type));
  }
  checkpoint.state.emplace_back("bool", numbers % 3 == 0);
  checkpoint.state.emplace_back("scalar", torch::tensor(1.0F));
  checkpoint.state.emplace_back("empty", torch::zeros({0, 3}));
  checkpoint.bits = {{"conv1", {8, 0}}, {"fc", {3, 4}}};
  checkpoint.has_bits = true;
  checkpoint.epoch = 343;
  checkpoint.accuracy = 92.55;
  write_pytorch(folder_.file("ours.pth"), checkpoint);
  const CommandResult result = run_python(folder_, kLoad);
  EXPECT_EQ(result.status, 0) << result.err;
}

}  // namespace
}  // namespace bsq::test
