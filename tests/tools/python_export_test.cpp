#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

std::string raw_bytes(const torch::Tensor& tensor) {
  return {static_cast<const char*>(tensor.data_ptr()),
          static_cast<size_t>(tensor.numel() * tensor.element_size())};
}

// Names and bytes of every tensor, and the widths of the scheme, as Python reads them.
const char kDump[] = R"(
import torch, sys
checkpoint = torch.load(sys.argv[1], map_location='cpu', weights_only=True)
with open(sys.argv[2] + '/names', 'w') as names, open(sys.argv[2] + '/bytes', 'wb') as data:
    for name, tensor in checkpoint['state_dict'].items():
        names.write(name + '\n')
        data.write(tensor.contiguous().numpy().tobytes())
for name, bits in checkpoint['Nbit_dict'].items():
    print(name, bits[0], bits[1])
)";

bool has_python_torch() {
  return std::string(BSQ_PYTHON) != "" && run_command("'" BSQ_PYTHON "' -c 'import torch'").status == 0;
}

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

// A line for each layer: its name, the width of its weight and, where it has one, of its bias.
std::string scheme_text(const NetworkState& network) {
  std::string text;
  for (const auto& [name, stored] : network) {
    if (stored.encoding == Encoding::kFloat) {
      continue;
    }
    const auto bits = std::to_string(stored.bits);
    if (ends_with(name, ".bias")) {
      text.replace(text.size() - 2, 1, bits);
    } else {
      text += name.substr(0, name.rfind('.')) + " " + bits + " 0\n";
    }
  }
  return text;
}

TEST(PythonExport, PythonLoadsTheWeightsAndTheScheme) {
  const auto& run = tiny_runs().finetuned();
  if (!has_python_torch()) {
    GTEST_SKIP() << "no Python with torch at '" BSQ_PYTHON "'";
  }
  TemporaryFolder folder;
  write_bytes(folder.file("dump.py"), kDump);
  const auto result = run_command("'" BSQ_PYTHON "' " + folder.file("dump.py") + " " +
                                  tiny_runs().exported() + " " + folder.path().string());
  ASSERT_EQ(result.status, 0) << result.err;
  std::string names;
  std::string bytes;
  for (const auto& [name, stored] : read_checkpoint(run.file("best_float.h5")).network) {
    if (!ends_with(name, ".range")) {
      names += name + "\n";
      // An export has no negative zeros: its values come from integers.
      bytes += raw_bytes(stored.value.is_floating_point() ? stored.value + 0.0 : stored.value);
    }
  }
  EXPECT_EQ(read_bytes(folder.file("names")), names);
  EXPECT_TRUE(read_bytes(folder.file("bytes")) == bytes);
  std::istringstream found(result.out);
  std::istringstream wanted(scheme_text(read_checkpoint(run.file("best_bin.h5")).network));
  const auto lines = [](std::istringstream& in) {
    std::set<std::string> all;
    for (std::string line; std::getline(in, line);) {
      all.insert(line);
    }
    return all;
  };
  EXPECT_EQ(lines(found), lines(wanted));
}

// The same weights twice: as we name them, and as files of akamaster/pytorch_resnet_cifar10 have them:
// written by an early PyTorch, with "module." in front, without counters of batches, the last layer called
// "linear".
const char kAkamaster[] = R"(
import pickle, sys, torch

class OldPickler(pickle._Pickler):
    def reducer_override(self, thing):
        if isinstance(thing, torch.Tensor):
            return torch._utils._rebuild_tensor, (thing.storage(), thing.storage_offset(), tuple(thing.size()),
                                                  thing.stride())
        return NotImplemented

class OldPickle:
    Pickler, dump, HIGHEST_PROTOCOL = OldPickler, staticmethod(pickle.dump), 2

state = torch.load(sys.argv[1])['state_dict']
torch.save(state, sys.argv[2] + '/ours.pth')
old = {'module.' + name.replace('fc.', 'linear.'): tensor for name, tensor in state.items()
       if not name.endswith('num_batches_tracked')}
torch.save({'state_dict': old, 'best_prec1': 91.73}, sys.argv[2] + '/akamaster.th', pickle_module=OldPickle,
           _use_new_zipfile_serialization=False)
)";

TEST(PythonExport, FilesOfTheFormOfAkamasterLoad) {
  if (!has_python_torch()) {
    GTEST_SKIP() << "no Python with torch at '" BSQ_PYTHON "'";
  }
  TemporaryFolder folder;
  run_tiny("bsq_train", "--float --depth 8 --shortcut A --act 0 --epochs 1 --out " + folder.file("run"));
  run_tiny("finetune",
           "--evaluate --model " + folder.file("run/final.h5") + " --export-pth " + folder.file("model.pth"));
  write_bytes(folder.file("rewrite.py"), kAkamaster);
  const auto rewritten = run_command("'" BSQ_PYTHON "' " + folder.file("rewrite.py") + " " +
                                     folder.file("model.pth") + " " + folder.path().string());
  ASSERT_EQ(rewritten.status, 0) << rewritten.err;
  EXPECT_TRUE(holds(read_bytes(folder.file("akamaster.th")), "_rebuild_tensor\n"))
      << "as PyTorch 0.3 wrote it";
  const std::string network =
      "--float --evaluate --depth 8 --shortcut A --act 0 --normalize imagenet --model ";
  const auto ours = run_tiny("bsq_train", network + folder.file("ours.pth"));
  EXPECT_EQ(run_tiny("bsq_train", network + folder.file("akamaster.th") + " --rename linear=fc"), ours);
  EXPECT_NE(correct_count(ours, "start:"), "");
  const auto refused = run_tool("bsq_train", network + folder.file("akamaster.th") + tiny_flags());
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(holds(refused.err, "linear.weight")) << refused.err;
}

TEST(SharedData, DescribeReadsThePublishedCheckpoint) {
  const auto file = shared_folder() + "/checkpoints/bsq-resnet20-cifar10.pth.tar";
  if (shared_folder().empty()) {
    GTEST_SKIP() << "no folder of shared data";
  }
  const auto json = described(file);
  EXPECT_EQ(json["method"], "float");
  EXPECT_EQ(json["epoch"], 343);
  EXPECT_DOUBLE_EQ(json["top1"], 92.55);
}

}  // namespace
}  // namespace bsq::test
