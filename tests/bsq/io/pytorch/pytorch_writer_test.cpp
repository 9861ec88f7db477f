#include "bsq/io/pytorch/pytorch_writer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/io/pytorch/pytorch_reader.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

PyTorchCheckpoint sample() {
  PyTorchCheckpoint checkpoint;
  for (torch::ScalarType type :
       {torch::kFloat32, torch::kFloat64, torch::kFloat16, torch::kBFloat16, torch::kInt64, torch::kInt32,
        torch::kInt16, torch::kInt8, torch::kUInt8, torch::kBool}) {
    checkpoint.state.emplace_back(c10::toString(type), (torch::rand({3, 5}) * 4 - 1).to(type));
  }
  checkpoint.state.emplace_back("scalar", torch::tensor(int64_t{1} << 40));
  checkpoint.state.emplace_back("empty", torch::zeros({0, 3}));
  checkpoint.state.emplace_back("layer1.0.conv1.pweight", torch::rand({4, 3, 3, 3, 8}));
  checkpoint.bits = {{"layer1.0.conv1", {8, 0}}, {"fc", {3, 4}}};
  checkpoint.has_bits = true;
  checkpoint.epoch = 343;
  checkpoint.accuracy = 92.55;
  return checkpoint;
}

void expect_same(const PyTorchCheckpoint& a, const PyTorchCheckpoint& b) {
  ASSERT_EQ(a.state.size(), b.state.size());
  for (size_t i = 0; i < a.state.size(); ++i) {
    EXPECT_EQ(a.state[i].first, b.state[i].first);
    EXPECT_TRUE(same_bits(a.state[i].second, b.state[i].second)) << a.state[i].first;
    EXPECT_TRUE(a.state[i].second.is_contiguous());
  }
  EXPECT_EQ(a.bits, b.bits);
  EXPECT_EQ(a.has_bits, b.has_bits);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.accuracy, b.accuracy);
}

TEST(PyTorchWriter, IsReadBack) {
  TemporaryFolder folder;
  const PyTorchCheckpoint checkpoint = sample();
  write_pytorch(folder.file("a.pth"), checkpoint);
  EXPECT_TRUE(is_pytorch_file(folder.file("a.pth")));
  expect_same(read_pytorch(folder.file("a.pth")), checkpoint);
}

TEST(PyTorchWriter, LeavesOutWhatIsNotThere) {
  TemporaryFolder folder;
  PyTorchCheckpoint checkpoint;
  checkpoint.state.emplace_back("w", torch::ones({2}));
  write_pytorch(folder.file("a.pth"), checkpoint);
  expect_same(read_pytorch(folder.file("a.pth")), checkpoint);
}

TEST(PyTorchWriter, WritesViewsAsTheyLook) {
  TemporaryFolder folder;
  const torch::Tensor base = torch::arange(24, torch::kFloat32).view({4, 6});
  PyTorchCheckpoint checkpoint;
  checkpoint.state.emplace_back("transposed", base.t());
  checkpoint.state.emplace_back("part", base.slice(/*dim=*/1, 1, 6, /*step=*/2).clone().requires_grad_());
  write_pytorch(folder.file("a.pth"), checkpoint);
  const PyTorchCheckpoint read = read_pytorch(folder.file("a.pth"));
  EXPECT_TRUE(same_bits(read.state.at(0).second, base.t()));
  EXPECT_TRUE(same_bits(read.state.at(1).second, base.slice(/*dim=*/1, 1, 6, /*step=*/2)));
}

TEST(PyTorchWriter, KeepsExtremeNumbers) {
  TemporaryFolder folder;
  PyTorchCheckpoint checkpoint;
  checkpoint.state.emplace_back("w", torch::ones({2}));
  for (int64_t epoch :
       {int64_t{-1}, int64_t{0}, int64_t{255}, int64_t{256}, int64_t{70000}, int64_t{1} << 40}) {
    checkpoint.epoch = epoch;
    write_pytorch(folder.file("a.pth"), checkpoint);
    EXPECT_EQ(read_pytorch(folder.file("a.pth")).epoch, epoch);
  }
}

TEST(PyTorchWriter, GivesTheSameBytesTwice) {
  TemporaryFolder folder;
  const PyTorchCheckpoint checkpoint = sample();
  write_pytorch(folder.file("a.pth"), checkpoint);
  write_pytorch(folder.file("b.pth"), checkpoint);
  EXPECT_EQ(read_bytes(folder.file("a.pth")), read_bytes(folder.file("b.pth")));
}

TEST(PyTorchWriter, ReplacesTheFileOnlyWhenDone) {
  TemporaryFolder folder;
  write_bytes(folder.file("a.pth"), "the previous one");
  PyTorchCheckpoint checkpoint = sample();
  checkpoint.state.emplace_back("undefined", torch::Tensor());
  EXPECT_THROW(write_pytorch(folder.file("a.pth"), checkpoint), std::invalid_argument);
  EXPECT_EQ(read_bytes(folder.file("a.pth")), "the previous one");
  checkpoint.state.pop_back();
  write_pytorch(folder.file("a.pth"), checkpoint);
  expect_same(read_pytorch(folder.file("a.pth")), checkpoint);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    ++files;
  }
  EXPECT_EQ(files, 1U);
}

TEST(PyTorchWriter, RefusesWhatCannotBeWritten) {
  TemporaryFolder folder;
  const auto with = [](const std::string& name, const torch::Tensor& tensor) {
    PyTorchCheckpoint checkpoint;
    checkpoint.state.emplace_back("w", torch::ones({2}));
    checkpoint.state.emplace_back(name, tensor);
    return checkpoint;
  };
  const std::string path = folder.file("a.pth");
  EXPECT_THROW(write_pytorch(path, with("w", torch::ones({2}))), std::invalid_argument);
  EXPECT_THROW(write_pytorch(path, with("", torch::ones({2}))), std::invalid_argument);
  EXPECT_THROW(write_pytorch(path, with("a\nb", torch::ones({2}))), std::invalid_argument);
  EXPECT_THROW(write_pytorch(path, with("c", torch::ones({2}, torch::kComplexFloat))), std::invalid_argument);
  PyTorchCheckpoint bits = with("v", torch::ones({2}));
  bits.bits["v"] = {1, 1};
  EXPECT_THROW(write_pytorch(path, bits), std::invalid_argument);
  EXPECT_THROW(write_pytorch(folder.file("no/such/folder/a.pth"), sample()), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace bsq::test
