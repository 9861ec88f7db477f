#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <algorithm>
#include <filesystem>

#include "tests/tools/tiny_cifar.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

// Every failing command is told to write to a folder that holds another run, which must stay as it is.
class BadInput : public testing::Test {
 protected:
  BadInput() {
    fs::create_directories(out_);
    fs::copy_file(tiny_runs().bsq().file("checkpoint.h5"), out_ + "/checkpoint.h5");
    write_bytes(out_ + "/log.txt", "Learning Rate\t\n");
    before_ = folder_bytes(out_);
  }

  // Exit `status`, one line on stderr with the program's name in front and `word` in it, nothing changed.
  void expect_line(const CommandResult& result, const std::string& tool, int status,
                   const std::string& word) {
    EXPECT_EQ(result.status, status) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_TRUE(!result.err.empty() && result.err.back() == '\n') << result.err;
    EXPECT_EQ(result.err.find(tool + ": "), 0U) << result.err;
    EXPECT_NE(result.err.find(word), std::string::npos) << "no '" << word << "' in: " << result.err;
  }

  void expect_refused(const std::string& tool, const std::string& arguments, int status,
                      const std::string& word, const std::string& data = "") {
    SCOPED_TRACE(tool + " " + arguments);
    expect_line(run_tool(tool, arguments + tiny_flags(data) + " --checkpoint " + out_), tool, status, word);
    EXPECT_TRUE(folder_bytes(out_) == before_);
  }

  // A file of the folder with these bytes.
  std::string made(const std::string& name, const std::string& bytes) const {
    write_bytes(folder_.file(name), bytes);
    return folder_.file(name);
  }

  std::string full() const { return tiny_runs().full().file("model_best.h5"); }

  TemporaryFolder folder_;
  std::string out_ = folder_.file("out");
  std::map<std::string, std::string> before_;
};

std::string half_of(const std::string& file) {
  const auto bytes = read_bytes(file);
  return bytes.substr(0, bytes.size() / 2);
}

TEST_F(BadInput, ModelFiles) {
  const auto h5 = made("half.h5", half_of(full()));
  const auto pth = made("half.pth", half_of(tiny_runs().exported()));
  const auto text = made("text.h5", "not a model\n");
  const auto empty = made("empty.h5", "");
  const auto folder = out_;
  expect_refused("finetune", "--model " + text, 1, "expected our .h5, PyTorch's .pth");
  for (const auto& file : {folder_.file("missing.h5"), text, empty, h5, pth, folder}) {
    expect_refused("finetune", "--model " + file, 1, file);
  }
  for (const std::string tool : {"bsq_train", "convert"}) {
    expect_refused(tool, "--model " + h5, 1, h5);
  }
  expect_refused("convert", "--model " + full() + " --dict " + text, 1, text);
}

// torch.save's old format: magic number, protocol, system information, then the object: here a call of
// os.system.
TEST_F(BadInput, APickleThatCallsAProgramIsRefusedAndDoesNotRun) {
  const std::string legacy(
      "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02M\xe9\x03.\x80\x02}.", 25);
  const auto proof = folder_.file("proof");
  const auto evil =
      made("evil.pth", legacy +
                           "\x80\x02"
                           "cposix\nsystem\n(U" +
                           static_cast<char>(proof.size() + 6) + "touch " + proof + "tR.\x80\x02].");
  expect_refused("convert", "--model " + evil, 1, "posix.system");
  EXPECT_FALSE(fs::exists(proof));
}

TEST_F(BadInput, AnotherNetworkThanTheFiles) {
  const auto model = "--float --model " + full();
  expect_refused("bsq_train", model + " --depth 20", 2, "--depth 20 contradicts");
  expect_refused("bsq_train", model + " --block-name Bottleneck", 2, "--block-name Bottleneck contradicts");
  expect_refused("bsq_train", model + " -a vgg", 2, "vgg");
  expect_refused("bsq_train", model + " -a lenet", 2, "lenet");
  const auto converted = "--model " + tiny_runs().bsq().file("checkpoint.h5");
  expect_refused("bsq_train", converted + " --act 8", 2, "--act 8 contradicts");
  expect_refused("bsq_train", converted + " --act-range batch", 2, "--act-range batch contradicts");
  expect_refused("bsq_train", "--method lsq --act 4 --act-range batch --model " + full(), 2,
                 "--act-range batch: no effect on activations of the kind lsq");
  expect_refused("bsq_train", model + " --act 0 --act-range batch", 2, "no effect on float activations");
  expect_refused("bsq_train", converted + " --layer-act '*=2'", 2, "--layer-act: contradicts");
  expect_refused("bsq_train", model + " --layer-act conv9=2", 2, "conv9");
  expect_refused("bsq_train", model + " --quantize-shortcut", 2, "--quantize-shortcut true contradicts");
  expect_refused("bsq_train", "--float --depth 21", 2, "21");
  expect_refused("bsq_train", "--float -a lenet", 2, "lenet");
}

TEST_F(BadInput, AnotherNumberOfClasses) {
  const auto data = folder_.file("cifar100");
  write_tiny_cifar100(data);
  expect_refused("finetune", "--dataset cifar100 --model " + full(), 1, "10 classes; expected 100", data);
}

// Boost puts the text in place of the token that it holds, for ever, where it makes the message.
TEST_F(BadInput, ATextThatHoldsATokenOfBoosts) {
  expect_refused("bsq_train", "--lr %value%", 2, "--lr %value%: expected a number");
  expect_refused("bsq_train", "--%canonical_option%", 2, "--%canonical_option%: no such option");
  expect_refused("bsq_train", "--evaluate=%value%", 2, "evaluate");
  const auto preset = made("token.cfg", "lr = %value%\n");
  expect_refused("bsq_train", "--config " + preset, 2, preset);
  expect_refused("bsq_train", "--config " + made("line.cfg", "%invalid_line%\n"), 2, "?invalid_line?");
}

TEST_F(BadInput, Numbers) {
  expect_refused("bsq_train", "--Nbits 0", 2, "--Nbits 0: expected a whole number from 1 to 16");
  expect_refused("bsq_train", "--Nbits 99", 2, "--Nbits 99");
  expect_refused("bsq_train", "--Nbits 9", 2, "--max-bits");
  expect_refused("bsq_train", "--L1 --decay -1", 2, "--decay -1");
  expect_refused("bsq_train", "--lr nan", 2, "lr");
  expect_refused("bsq_train", "--lr fast", 2, "fast");
  expect_refused("bsq_train", "--schedule 5 3", 2, "--schedule");
  expect_refused("bsq_train", "--Prun_Int 0", 2, "--Prun_Int 0");
  expect_refused("bsq_train", "--thre 100", 2, "--thre 100");
  expect_refused("bsq_train", "--warmup -1", 2, "--warmup -1");
  expect_refused("bsq_train", "--epochs -1", 2, "--epochs -1");
  expect_refused("bsq_train", "--epochs ten", 2, "ten");
  expect_refused("bsq_train", "--act 33", 2, "--act 33");
  expect_refused("bsq_train", "--act-range sometimes", 2, "sometimes");
  expect_refused("bsq_train", "--val-split 200 --float", 2, "200");
}

TEST_F(BadInput, Words) {
  expect_refused("bsq_train", "--no-such-flag", 2, "no-such-flag");
  expect_refused("bsq_train", "--epoch 3", 2, "epoch");
  expect_refused("bsq_train", "--epoch 3", 2, "did you mean --epochs? (see bsq_train --help)");
  expect_refused("bsq_train", "word", 2, "'word': unexpected");
  expect_refused("finetune", "", 2, "--model");
  expect_refused("convert", "", 2, "--model");
  expect_refused("bsq_train", "--float --L1", 2, "--L1: no effect with --method float");
  expect_refused("bsq_train", "--bin", 2, "--bin");
  expect_refused("bsq_train", "--evaluate", 2, "--evaluate");
  expect_refused("bsq_train", "--float --dataset mnist", 2, "mnist");
  expect_refused("bsq_train", "--float --device abacus", 2, "abacus");
}

TEST_F(BadInput, BitsWhereFloatIsMeantAndFloatWhereBitsAre) {
  expect_refused("bsq_train", "--bin --model " + full(), 1, "expected one in bits");
  expect_refused("finetune", "--bin --model " + full(), 1, "expected one in bits");
  expect_refused("bsq_train", "--float --model " + tiny_runs().eight_bits().file("model_best.h5"), 1,
                 "packed bits");
  expect_refused("convert", "--model " + full() + " --dict " + full(), 1, "without a scheme");
}

TEST_F(BadInput, ABitWidthForAFileThatHasBits) {
  const auto file = tiny_runs().eight_bits().file("model_best.h5");
  for (const std::string tool : {"bsq_train", "finetune"}) {
    expect_refused(tool, "--Nbits 4 --model " + file, 2, file + " holds bits");
  }
  const auto published = run_tool("finetune", "--evaluate --Nbits 8 --bin --model " + file + tiny_flags());
  EXPECT_EQ(published.status, 0) << published.err;
}

TEST_F(BadInput, ASchemeWithLayersThatTheModelLacks) {
  TemporaryFolder deeper;
  run_tiny("bsq_train", "--depth 14 --epochs 0 --checkpoint " + deeper.file("run"));
  const auto scheme = deeper.file("run/checkpoint.h5");
  expect_refused("convert", "--model " + full() + " --dict " + scheme, 1, scheme);
}

TEST_F(BadInput, ConvertFindsItBeforeItEvaluates) {
  const auto flags = "--model " + full() + tiny_flags();
  const auto below = made("file", "a regular file") + "/run";
  TemporaryFolder deeper;
  run_tiny("bsq_train", "--depth 14 --epochs 0 --checkpoint " + deeper.file("run"));
  EXPECT_EQ(run_tool("convert", flags + " --checkpoint " + below).out.find("before:"), std::string::npos);
  EXPECT_EQ(run_tool("convert", flags + " --dict " + deeper.file("run/checkpoint.h5")).out.find("before:"),
            std::string::npos);
}

TEST_F(BadInput, Images) {
  const auto none = folder_.file("none");
  const auto cut = folder_.file("cut");
  const auto label = folder_.file("label");
  fs::create_directories(none);
  write_tiny_cifar10(cut);
  write_bytes(cut + "/test_batch.bin",
              read_bytes(tiny_data() + "/test_batch.bin").substr(0, 3073 * 2 + 1500));
  write_tiny_cifar10(label);
  write_bytes(label + "/data_batch_1.bin", "\x0b" + read_bytes(tiny_data() + "/data_batch_1.bin").substr(1));
  expect_refused("bsq_train", "--float --depth 8", 1, none + "-such", none + "-such");
  expect_refused("bsq_train", "--float --depth 8", 1, "no training batches", none);
  expect_refused("bsq_train", "--float --depth 8", 1, "test_batch.bin: record 2", cut);
  expect_refused("bsq_train", "--float --depth 8", 1, "label 11", label);
}

TEST_F(BadInput, Configurations) {
  expect_refused("bsq_train", "--config " + folder_.file("missing.cfg"), 1, "missing.cfg");
  const auto key = made("key.cfg", "epochs = 2\nno-such-key = 1\n");
  const auto value = made("value.cfg", "epochs = ten\n");
  const auto prose = made("prose.cfg", "train well\n");
  expect_refused("bsq_train", "--config /dev/zero", 1, "/dev/zero: longer than 1 MiB");
  const auto help = made("help.cfg", "help = true\n");
  const auto nested = made("nested.cfg", "config = quickstart-cifar10-bsq\n");
  const auto resume = made("resume.cfg", "resume = true\n");
  const auto strange = made("strange.cfg", "float = true\nthre = 1\n");
  for (const auto& file : {key, value, prose, help, nested, resume, strange}) {
    expect_refused("bsq_train", "--config " + file, 2, file);
  }
}

TEST_F(BadInput, NoGpu) {
  if (torch::cuda::is_available()) {
    return;
  }
  expect_refused("bsq_train", "--float --depth 8 --device cuda", 2, "--device cuda");
}

TEST_F(BadInput, OutputFoldersThatCannotBeWritten) {
  const auto file = made("file", "a regular file");
  const auto below = file + "/run";
  const auto flags = tiny_flags() + " --checkpoint " + below;
  const auto model = "--model " + tiny_runs().eight_bits().file("model_best.h5");
  expect_line(run_tool("bsq_train", model + flags), "bsq_train", 1, below);
  expect_line(run_tool("finetune", model + flags), "finetune", 1, below);
  expect_line(run_tool("convert", model + flags), "convert", 1, below);
  EXPECT_EQ(read_bytes(file), "a regular file");
}

TEST_F(BadInput, ExportsThatCannotBeWrittenAreRefusedBeforeTheRun) {
  const auto file = made("file", "a regular file");
  const auto model = "--model " + tiny_runs().eight_bits().file("model_best.h5");
  expect_refused("convert", model + " --export-pth " + file + "/x.pth", 1, file + "/x.pth");
  expect_refused("finetune", model + " --export-pth " + file + "/x.pth", 1, file + "/x.pth");
}

TEST_F(BadInput, NothingToResume) {
  const auto empty = folder_.file("empty");
  fs::create_directories(empty);
  for (const std::string tool : {"bsq_train", "finetune"}) {
    for (const auto& folder : {empty, empty + "/none"}) {
      expect_line(run_tool(tool, "--resume --checkpoint " + folder), tool, 1, folder);
    }
  }
  EXPECT_TRUE(folder_bytes(empty).empty());
}

TEST_F(BadInput, NoFolderIsLeftBehind) {
  const auto made_folder = folder_.file("new");
  const auto flags = tiny_flags() + " --checkpoint " + made_folder;
  EXPECT_EQ(run_tool("finetune", "--model " + folder_.file("missing.h5") + flags).status, 1);
  EXPECT_EQ(run_tool("bsq_train", "--bin --model " + full() + flags).status, 1);
  EXPECT_EQ(run_tool("convert", "--dict " + full() + " --model " + full() + flags).status, 1);
  EXPECT_FALSE(fs::exists(made_folder));
}

}  // namespace
}  // namespace bsq::test
