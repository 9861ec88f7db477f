#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <random>

#include "bsq/base/error.h"
#include "bsq/io/pytorch/pytorch_reader.h"
#include "tests/bsq/io/pytorch/pytorch_files.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

using namespace std::string_literals;

constexpr int64_t kBig = int64_t{1} << 31;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Everything in both formats.
class PyTorchHostile : public testing::TestWithParam<bool> {
 protected:
  std::string path() const { return folder_.file("file.pth"); }

  std::string write(const std::string& objects,
                    const std::vector<StorageSpec>& storages = {six_floats()}) const {
    if (GetParam()) {
      write_legacy(path(), objects, storages);
    } else {
      write_zip(path(), objects, storages);
    }
    return path();
  }

  std::string refusal_of(const TensorSpec& spec) const { return refusal(write(state_pickle(spec))); }

  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Formats, PyTorchHostile, testing::Bool(),
                         [](const auto& info) { return info.param ? "Legacy" : "Zip"; });

TEST_P(PyTorchHostile, ReadsTheHonestFile) {
  EXPECT_EQ(refusal(write(state_pickle())), "");
  EXPECT_TRUE(is_pytorch_file(path()));
  const PyTorchCheckpoint checkpoint = read_pytorch(path());
  ASSERT_EQ(checkpoint.state.size(), 1U);
  EXPECT_EQ(checkpoint.state[0].first, "w");
  EXPECT_TRUE(same_bits(checkpoint.state[0].second, torch::arange(6, torch::kFloat32).view({2, 3})));
  EXPECT_FALSE(checkpoint.has_bits);
}

TEST_P(PyTorchHostile, RunsNoCommand) {
  const std::string marker = folder_.file("marker");
  const std::string command = "touch " + marker;
  const std::string argument = "U"s + static_cast<char>(command.size()) + command;
  for (const std::string& call :
       {"cposix\nsystem\n"s + argument + "\x85R"s, "cos\nsystem\n"s + argument + "\x85R"s,
        "(" + argument + "iposix\nsystem\n"s, "(cposix\nsystem\n"s + argument + "o"s,
        "\x8c\5posix\x8c\6system\x93"s + argument + "\x85R"s, "cposix\nsystem\n"s + argument + "\x85\x81"s,
        "cbuiltins\nexec\n"s + argument + "\x85R"s}) {
    EXPECT_EQ(refusal(write(state_pickle_beside(call))), "");
    EXPECT_FALSE(std::filesystem::exists(marker)) << call;
  }
}

TEST_P(PyTorchHostile, RefusesTruncatedFiles) {
  const std::string bytes = read_bytes(write(state_pickle()));
  for (size_t size = 0; size < bytes.size(); ++size) {
    write_bytes(path(), bytes.substr(0, size));
    EXPECT_NE(refusal(path()), "") << size;
  }
}

TEST_P(PyTorchHostile, SurvivesFlippedBits) {
  const std::string bytes = read_bytes(write(state_pickle()));
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string flipped = bytes;
    flipped[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    write_bytes(path(), flipped);
    refusal(path());
  }
}

TEST_P(PyTorchHostile, RefusesViewsOutsideTheirStorage) {
  EXPECT_EQ(refusal_of({"0", "FloatStorage", 6, 0, {3, 2}, {1, 3}}), "");
  EXPECT_EQ(refusal_of({"0", "FloatStorage", 6, 5, {1}, {100}}), "");
  EXPECT_EQ(refusal_of({"0", "FloatStorage", 6, 6, {0, 3}, {3, 1}}), "");
  for (const TensorSpec& spec : std::vector<TensorSpec>{
           {"0", "FloatStorage", 6, 1, {2, 3}, {3, 1}},
           {"0", "FloatStorage", 6, 6, {}, {}},
           {"0", "FloatStorage", 6, 7, {0}, {1}},
           {"0", "FloatStorage", 6, -1, {2, 3}, {3, 1}},
           {"0", "FloatStorage", 6, 0, {2, 3}, {4, 1}},
           {"0", "FloatStorage", 6, 5, {2, 3}, {-3, 1}},
           {"0", "FloatStorage", 6, 0, {-2, 3}, {3, 1}},
           {"0", "FloatStorage", 6, 0, {2, 3}, {3}},
           {"0", "FloatStorage", 6, 0, {kBig, kBig, 4}, {0, 0, 0}},
           {"0", "FloatStorage", 6, 0, {kBig, kBig, kBig, 0}, {0, 0, 0, 0}},
           {"0", "FloatStorage", 6, 0, {3, 3}, {kBig, kBig}},
           {"0", "FloatStorage", 6, 0, {3}, {INT64_MAX}},
           {"0", "FloatStorage", 6, 0, {INT64_MAX}, {1}},
           {"0", "FloatStorage", 6, INT64_MAX, {2}, {1}},
           {"0", "FloatStorage", 6, INT64_MIN, {2}, {1}},
           {"0", "FloatStorage", 6, 0, std::vector<int64_t>(17, 1), std::vector<int64_t>(17, 1)}}) {
    EXPECT_NE(refusal_of(spec), "") << spec.offset << " " << torch::IntArrayRef(spec.sizes);
  }
}

TEST_P(PyTorchHostile, TakesNoMemoryForDeclaredSizes) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t numel : {int64_t{7}, kBig, kBig + 1, int64_t{1} << 61, INT64_MAX, int64_t{-1}}) {
    const TensorSpec spec{"0", "DoubleStorage", numel, 0, {2, 3}, {3, 1}};
    EXPECT_NE(refusal_of(spec), "") << numel;
    EXPECT_NE(refusal(write(state_pickle(spec), {{"0", numel, std::string(48, 'x')}})), "") << numel;
  }
  EXPECT_NE(refusal_of({"0", "FloatStorage", 6, 0, {kBig}, {0}}), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_P(PyTorchHostile, RefusesStoragesThatDoNotFit) {
  EXPECT_NE(refusal(write(state_pickle(), {})), "");
  EXPECT_NE(refusal(write(state_pickle(), {{"1", 6, float_bytes({0, 1, 2, 3, 4, 5})}})), "");
  EXPECT_NE(refusal(write(state_pickle(), {{"0", 5, float_bytes({0, 1, 2, 3, 4})}})), "");
  EXPECT_NE(refusal_of({"0", "QInt8Storage"}), "");
  EXPECT_NE(refusal_of({"../version", "FloatStorage"}), "");
  const TensorSpec bools{"0", "BoolStorage", 3, 0, {3}, {1}};
  EXPECT_EQ(refusal(write(state_pickle(bools), {{"0", 3, "\0\1\1"s}})), "");
  EXPECT_NE(refusal(write(state_pickle(bools), {{"0", 3, "\0\1\2"s}})), "");
}

TEST_P(PyTorchHostile, RefusesAStorageOfTwoTypes) {
  pickle::Writer out;
  out.put(pickle::Opcode::kEmptyDict);
  for (const char* type : {"FloatStorage", "IntStorage"}) {
    out.string(type);
    put_tensor(out, {"0", type});
    out.put(pickle::Opcode::kSetItem);
  }
  EXPECT_TRUE(contains(refusal(write(out.finish())), "declared twice"));
}

TEST_P(PyTorchHostile, RefusesTwoTensorsOfOneName) {
  pickle::Writer out;
  out.put(pickle::Opcode::kEmptyDict);
  for (const char* name : {"w", "w"}) {
    out.string(name);
    put_tensor(out, {});
    out.put(pickle::Opcode::kSetItem);
  }
  EXPECT_TRUE(contains(refusal(write(out.finish())), "two tensors 'w'"));
}

TEST_P(PyTorchHostile, SkipsWhatIsNoTensor) {
  for (const std::string& beside : {"]q\0h\0\x61"s, "}q\0h\0h\0s"s, "N"s, "]q\0h\0h\0\x86\x61"s,
                                    "ccollections\nOrderedDict\n)R}U\1aNsb"s}) {
    EXPECT_EQ(refusal(write(state_pickle_beside(beside))), "") << beside;
  }
  // A dict that is its own state dict.
  std::string bytes = state_pickle();
  bytes.insert(bytes.find('}') + 1, "q\0U\nstate_dicth\0s"s);
  EXPECT_EQ(refusal(write(bytes)), "");
}

// {"state_dict": {"w": tensor, "x": what the opcodes push}}
std::string nested_beside(const std::string& opcodes) {
  std::string bytes = state_pickle_beside(opcodes);
  bytes.insert(bytes.find('}'), "}U\nstate_dict"s);
  bytes.insert(bytes.size() - 1, "s");
  return bytes;
}

TEST_P(PyTorchHostile, AnObjectInAStateDictIsRefusedByName) {
  const std::string sparse = "ctorch._utils\n_rebuild_sparse_tensor\n)R"s;
  EXPECT_EQ(refusal(write(nested_beside("N"))), "");
  EXPECT_EQ(refusal(write(nested_beside(sparse))),
            path() + ": 'x' is an object of torch._utils._rebuild_sparse_tensor, expected a tensor");
  EXPECT_EQ(refusal(write(state_pickle_beside(sparse))), "") << "at the top level it is one object of many";
  EXPECT_TRUE(contains(refusal(write(nested_beside("ctorch._utils\n_rebuild_tensor\n"s
                                                   "((U\7storagectorch\nQInt8Storage\nU\1\x31U\3cpuK\6tQ"s
                                                   "K\0))tR"s))),
                       "'x' is an object of torch.QInt8Storage"));
}

TEST_P(PyTorchHostile, AWholeModelIsRefusedByItsClass) {
  EXPECT_TRUE(contains(refusal(write("\x80\2cmodels.resnet\nResNet\n)\x81}b."s, {})),
                       "holds an object of models.resnet.ResNet, perhaps a whole model"));
}

TEST_P(PyTorchHostile, RefusesAFileWithoutTensors) {
  EXPECT_TRUE(contains(refusal(write("\x80\2}."s, {})), "holds no tensors"));
  EXPECT_NE(refusal(write("\x80\2]."s, {})), "");
  EXPECT_NE(refusal(write("\x80\2N."s, {})), "");
}

TEST_P(PyTorchHostile, RefusesKeysThatAreNoNames) {
  for (const std::string& key : {"N"s, "K\1"s, "U\0"s, "U\3a\nb"s, "X\1\1\0\0"s + std::string(257, 'a')}) {
    std::string bytes = state_pickle();
    const size_t name = bytes.find("X\1\0\0\0w"s);
    bytes.replace(name, 6, key);
    EXPECT_TRUE(contains(refusal(write(bytes)), "expected a name")) << key;
  }
}

TEST_P(PyTorchHostile, ChecksNbitDict) {
  const auto with_bits = [&](const std::string& widths) {
    std::string bytes = state_pickle();
    bytes.pop_back();
    return refusal(write(bytes + "U\x09Nbit_dict" + widths + "s."));
  };
  EXPECT_EQ(with_bits("}U\4convK\10K\0\x86s"s), "");
  EXPECT_EQ(with_bits("}U\4conv]K\10aNas"s), "");
  EXPECT_EQ(with_bits("}"s), "");
  for (const std::string& widths : {"N"s, "]"s, "}U\4convK\10s"s, "}U\4convK\10\x85s"s,
                                    "}U\4convK\x41K\0\x86s"s, "}U\4convJ\xff\xff\xff\xffK\0\x86s"s,
                                    "}K\1K\10K\0\x86s"s, "}U\4convK\1K\1\x86sU\4convK\1K\1\x86s"s}) {
    EXPECT_NE(with_bits(widths), "") << widths;
  }
}

TEST(PyTorchReader, RefusesOtherFiles) {
  TemporaryFolder folder;
  for (const std::string& bytes :
       {""s, "P"s, "hello, world\n"s, "\x89HDF\r\n\x1a\n"s, "\x80\2}."s, "PK\5\6"s}) {
    write_bytes(folder.file("other"), bytes);
    EXPECT_TRUE(contains(refusal(folder.file("other")), "not a PyTorch file")) << bytes;
    EXPECT_FALSE(is_pytorch_file(folder.file("other")));
  }
  EXPECT_NE(refusal(folder.file("missing")), "");
  EXPECT_NE(refusal(folder.path().string()), "");
  EXPECT_FALSE(is_pytorch_file(folder.file("missing")));
  EXPECT_FALSE(is_pytorch_file(folder.path().string()));
}

TEST(PyTorchReader, ReadsPartsOfALegacyStorage) {
  pickle::Writer out;
  std::string bytes = state_pickle({"0", "FloatStorage", 6, 0, {2}, {1}});
  const size_t end = bytes.find("tQ");
  bytes.insert(end, "U\4viewK\3K\2\x87"s);
  TemporaryFolder folder;
  write_legacy(folder.file("a.pth"), bytes, {six_floats()});
  EXPECT_TRUE(
      torch::equal(read_pytorch(folder.file("a.pth")).state.at(0).second, torch::tensor({3.0F, 4.0F})));
  bytes.replace(end, 11, "U\4viewK\5K\2\x87"s);
  write_legacy(folder.file("a.pth"), bytes, {six_floats()});
  EXPECT_NE(refusal(folder.file("a.pth")), "");
}

TEST(PyTorchReader, ReadsCompressedArchives) {
  TemporaryFolder folder;
  const TensorSpec spec{"0", "FloatStorage", 5000, 0, {5000}, {1}};
  write_zip(folder.file("a.pth"), state_pickle(spec), {{"0", 5000, std::string(20000, '\0')}},
            /*compress=*/true);
  EXPECT_EQ(read_pytorch(folder.file("a.pth")).state.at(0).second.abs().sum().item<float>(), 0.0F);
}

/// Replaces every occurrence, which has to exist.
std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos);
  for (; at != std::string::npos; at = bytes.find(from, at + to.size())) {
    bytes.replace(at, from.size(), to);
  }
  return bytes;
}

TEST(PyTorchReader, RefusesZipArchivesThatDeceive) {
  TemporaryFolder folder;
  const std::string path = folder.file("a.pth");
  write_zip(path, state_pickle(), {six_floats(), {"1", 3, "\x11\x22\x33"}, {"2", 3, "\x44\x55\x66"}});
  const std::string honest = read_bytes(path);
  EXPECT_EQ(refusal(path), "");
  const auto refused = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    return refusal(path);
  };
  EXPECT_TRUE(contains(refused(replaced(honest, "data/2", "data/1")), "two zip entries"));
  EXPECT_TRUE(contains(refused(replaced(honest, "data.pkl", "data.pkk")), "not a PyTorch file"));
  EXPECT_NE(refused(replaced(honest, float_bytes({2}), float_bytes({3}))), "") << "checksum";
  EXPECT_NE(refused(replaced(honest, "\3\0\0\0\3\0\0\0"s, "\3\0\0\0\xff\xff\xff\xfe"s)), "") << "size";
  EXPECT_NE(refused(replaced(honest, "\3\0\0\0\3\0\0\0"s, "\xff\xff\xff\xfe\xff\xff\xff\xfe"s)), "")
      << "packed size";
}

TEST(PyTorchReader, RefusesADeflatedBomb) {
  TemporaryFolder folder;
  const TensorSpec spec{"0", "ByteStorage", 1'000'000, 0, {1'000'000}, {1}};
  write_zip(folder.file("a.pth"), state_pickle(spec), {{"0", 1'000'000, std::string(1'000'000, '\0')}},
            /*compress=*/true);
  ASSERT_EQ(refusal(folder.file("a.pth")), "");
  const std::string claimed =
      replaced(read_bytes(folder.file("a.pth")), "\x40\x42\x0f\0"s, "\xff\xff\xff\x7f"s);
  write_bytes(folder.file("a.pth"), claimed);
  EXPECT_TRUE(contains(refusal(folder.file("a.pth")), "claims 2147483647 bytes"));
  constexpr int64_t kZeros = 80'000'000;
  write_zip(folder.file("b.pth"), state_pickle({"0", "ByteStorage", kZeros, 0, {kZeros}, {1}}),
            {{"0", kZeros, std::string(kZeros, '\0')}}, /*compress=*/true);
  EXPECT_TRUE(contains(refusal(folder.file("b.pth")), "or unpack to more than"));
}

TEST(PyTorchReader, RefusesViewsThatRepeatAStorageTooOften) {
  TemporaryFolder folder;
  for (const bool compress : {false, true}) {
    const TensorSpec spec{"0", "FloatStorage", 6, 0, {1'000'000, 6}, {0, 1}};
    write_zip(folder.file("a.pth"), state_pickle(spec), {six_floats()}, compress);
    EXPECT_TRUE(
        contains(refusal(folder.file("a.pth")), "repeat stored numbers for more than 16 times the file's"));
  }
}

}  // namespace
}  // namespace bsq::test
