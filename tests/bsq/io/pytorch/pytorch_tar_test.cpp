#include <gtest/gtest.h>

#include <random>

#include "bsq/io/pytorch/pytorch_reader.h"
#include "tests/bsq/io/pytorch/pytorch_files.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

using namespace std::string_literals;

std::string number_bytes(int64_t number) { return {reinterpret_cast<const char*>(&number), sizeof(number)}; }

std::string integer_pickle(int64_t number) {
  pickle::Writer out;
  out.integer(number);
  return out.finish();
}

// (key, location, class), the count and the elements.
std::string storage_record(int64_t key, const std::string& type, int64_t count, const std::string& bytes) {
  pickle::Writer out;
  out.put(pickle::Opcode::kMark);
  out.integer(key);
  out.string("cpu");
  out.global("torch", type);
  out.put(pickle::Opcode::kTuple);
  return out.finish() + number_bytes(count) + bytes;
}

// (key, storage, class), the number of dimensions, sizes, strides, offset.
std::string tensor_record(int64_t key, int64_t storage, const std::vector<int64_t>& sizes,
                          const std::vector<int64_t>& strides, int64_t offset) {
  pickle::Writer out;
  out.put(pickle::Opcode::kMark);
  out.integer(key);
  out.integer(storage);
  out.global("torch", "FloatTensor");
  out.put(pickle::Opcode::kTuple);
  std::string bytes = out.finish() + number_bytes(static_cast<int64_t>(sizes.size()));
  for (const auto* numbers : {&sizes, &strides}) {
    for (const int64_t number : *numbers) {
      bytes += number_bytes(number);
    }
  }
  return bytes + number_bytes(offset);
}

// [(key, whole, offset, count), ...]
std::string view_list(const std::vector<std::vector<int64_t>>& views) {
  pickle::Writer out;
  out.put(pickle::Opcode::kEmptyList);
  for (const auto& view : views) {
    out.put(pickle::Opcode::kMark);
    for (const int64_t number : view) {
      out.integer(number);
    }
    out.put(pickle::Opcode::kTuple);
    out.put(pickle::Opcode::kAppend);
  }
  return out.finish();
}

// {NAME: the object of this key}
std::string objects_pickle(const std::vector<std::pair<std::string, std::string>>& objects) {
  pickle::Writer out;
  out.ordered_dict();
  for (const auto& [name, key] : objects) {
    out.string(name);
    out.string(key);
    out.put(pickle::Opcode::kPersistentId);
    out.put(pickle::Opcode::kSetItem);
  }
  return out.finish();
}

std::string system_pickle(bool is_little) {
  pickle::Writer out;
  out.put(pickle::Opcode::kEmptyDict);
  out.string("little_endian");
  out.boolean(is_little);
  out.put(pickle::Opcode::kSetItem);
  return out.finish();
}

const std::string kFloats = float_bytes({0, 1, 2, 3, 4, 5});
constexpr int64_t kManyElements = int64_t{1} << 31;

// A file as PyTorch 0.1.9 wrote it: the storage 100 of six floats, the part 101 of it, three tensors.
struct OldFile {
  std::string system = system_pickle(true);
  std::string objects = objects_pickle({{"w", "200"}, {"t", "201"}, {"part", "202"}, {"again", "200"}});
  std::string tensors = integer_pickle(3) + tensor_record(200, 100, {2, 3}, {3, 1}, 0) +
                        tensor_record(201, 100, {3, 2}, {1, 3}, 0) + tensor_record(202, 101, {2}, {1}, 1);
  std::string storages =
      integer_pickle(1) + storage_record(100, "FloatStorage", 6, kFloats) + view_list({{101, 100, 2, 3}});

  TarFiles files() const {
    return {{"sys_info", system}, {"pickle", objects}, {"tensors", tensors}, {"storages", storages}};
  }
};

class PyTorchTar : public testing::Test {
 protected:
  std::string refusal_of(const OldFile& file) const {
    write_tar(path_, file.files());
    return refusal(path_);
  }
  std::string refusal_of_tensor(const std::string& tensor) const {
    OldFile file;
    file.objects = objects_pickle({{"w", "200"}});
    file.tensors = integer_pickle(1) + tensor;
    return refusal_of(file);
  }
  std::string refusal_of_storages(const std::string& storages) const {
    OldFile file;
    file.storages = storages;
    return refusal_of(file);
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("model.pth.tar");
};

TEST_F(PyTorchTar, ReadsTheHonestFile) {
  ASSERT_EQ(refusal_of({}), "");
  EXPECT_TRUE(is_pytorch_file(path_));
  const auto state = read_pytorch(path_).state;
  const torch::Tensor w = torch::arange(6, torch::kFloat32).view({2, 3});
  ASSERT_EQ(state.size(), 4U);
  EXPECT_TRUE(same_bits(state[0].second, w));
  EXPECT_TRUE(same_bits(state[1].second, w.t().contiguous()));
  EXPECT_TRUE(same_bits(state[2].second, torch::tensor({3.0F, 4.0F})));
  EXPECT_EQ(state[3].first, "again");
  EXPECT_TRUE(same_bits(state[3].second, w));
}

// Packed by Python's tarfile in the same form; torch.load of PyTorch 2.11 gives these tensors.
TEST(PyTorchTarFile, ReadsWhatPythonPacks) {
  const auto checkpoint = read_pytorch(BSQ_SOURCE "/tests/fuzz/corpus/tar/model.pth.tar");
  const torch::Tensor w = torch::arange(6, torch::kFloat32).view({2, 3});
  const PyTorchTensors expected = {{"w", w},
                                   {"t", torch::arange(6, torch::kFloat32).view({2, 3}).t().contiguous()},
                                   {"part", torch::tensor({3.0F, 4.0F})},
                                   {"d", torch::tensor({-1.5, 2.5}, torch::kFloat64)}};
  ASSERT_EQ(checkpoint.state.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(checkpoint.state[i].first, expected[i].first);
    EXPECT_TRUE(same_bits(checkpoint.state[i].second, expected[i].second)) << expected[i].first;
  }
  EXPECT_EQ(checkpoint.epoch, 7);
  EXPECT_EQ(checkpoint.accuracy, 91.25);
}

TEST_F(PyTorchTar, RefusesTensorsOutsideTheirStorage) {
  EXPECT_EQ(refusal_of_tensor(tensor_record(200, 100, {2, 3}, {3, 1}, 0)), "");
  EXPECT_EQ(refusal_of_tensor(tensor_record(200, 101, {3}, {1}, 0)), "");
  for (const std::string& tensor :
       {tensor_record(200, 100, {2, 3}, {3, 1}, 1), tensor_record(200, 101, {4}, {1}, 0),
        tensor_record(200, 100, {2, 3}, {kManyElements, 1}, 0), tensor_record(200, 100, {-1}, {1}, 0),
        tensor_record(200, 100, {2}, {-1}, 5), tensor_record(200, 100, {2}, {1}, -1),
        tensor_record(200, 100, {INT64_MAX}, {INT64_MAX}, INT64_MAX), tensor_record(200, 102, {2}, {1}, 0),
        tensor_record(201, 100, {2}, {1}, 0), tensor_record(200, 100, std::vector<int64_t>(17, 1), {}, 0),
        tensor_record(200, 100, {kManyElements, kManyElements, kManyElements}, {0, 0, 0}, 0),
        integer_pickle(1), ""s}) {
    EXPECT_NE(refusal_of_tensor(tensor), "");
  }
}

TEST_F(PyTorchTar, RefusesStoragesThatDoNotFit) {
  const std::string views = view_list({});
  const std::string honest = storage_record(100, "FloatStorage", 6, kFloats);
  const std::string part = view_list({{101, 100, 2, 3}});
  EXPECT_EQ(refusal_of_storages(integer_pickle(1) + honest + part), "");
  for (const int64_t count : {int64_t{5}, int64_t{7}, kManyElements, INT64_MAX, int64_t{-1}}) {
    EXPECT_NE(
        refusal_of_storages(integer_pickle(1) + storage_record(100, "FloatStorage", count, kFloats) + part),
        "")
        << count;
  }
  for (const std::string& storages :
       {integer_pickle(1) + storage_record(100, "QInt8Storage", 6, kFloats) + part,
        integer_pickle(1) + storage_record(99, "FloatStorage", 6, kFloats) + part,
        integer_pickle(2) + honest + honest + part, integer_pickle(2) + honest + part,
        integer_pickle(-1) + honest + part, integer_pickle(kManyElements) + honest + part,
        integer_pickle(1) + honest, integer_pickle(1) + honest + views, ""s}) {
    EXPECT_NE(refusal_of_storages(storages), "");
  }
  for (const std::vector<std::vector<int64_t>>& list :
       std::vector<std::vector<std::vector<int64_t>>>{{{101, 100, 4, 3}},
                                                      {{101, 100, -1, 3}},
                                                      {{101, 100, 0, -3}},
                                                      {{101, 100, INT64_MAX, INT64_MAX}},
                                                      {{101, 99, 0, 3}},
                                                      {{101, 100, 2}},
                                                      {{101, 100, 2, 3}, {101, 100, 2, 3}},
                                                      {{100, 100, 2, 3}},
                                                      {{102, 100, 0, 6}, {101, 102, 2, 3}}}) {
    EXPECT_NE(refusal_of_storages(integer_pickle(1) + honest + view_list(list)), "");
  }
}

TEST_F(PyTorchTar, RefusesOtherObjectsAndMachines) {
  OldFile file;
  file.objects = objects_pickle({{"w", "999"}});
  EXPECT_NE(refusal_of(file).find("names the object '999'"), std::string::npos);
  file.objects = "\x80\2N."s;
  EXPECT_NE(refusal_of(file), "");
  // The class of a whole model: (class, its file, its source).
  file.objects = "\x80\2(cmodels.resnet\nResNet\nU\1aU\1btQ)\x81}b."s;
  EXPECT_NE(refusal_of(file).find("holds an object of models.resnet.ResNet"), std::string::npos);
  OldFile big;
  big.system = system_pickle(false);
  EXPECT_NE(refusal_of(big).find("big-endian"), std::string::npos);
}

TEST_F(PyTorchTar, RefusesArchivesThatLackFilesOrDeceive) {
  const auto honest = OldFile().files();
  for (size_t i = 1; i < honest.size(); ++i) {
    TarFiles less = honest;
    less.erase(less.begin() + static_cast<ptrdiff_t>(i));
    write_tar(path_, less);
    EXPECT_NE(refusal(path_).find("a tar archive without '" + honest[i].first + "'"), std::string::npos);
    TarFiles twice = honest;
    twice.push_back(honest[i]);
    write_tar(path_, twice);
    EXPECT_NE(refusal(path_).find("twice"), std::string::npos);
  }
  write_tar(path_, honest, "20 size=99999999999\n");
  EXPECT_NE(refusal(path_).find("size="), std::string::npos);
  write_tar(path_, honest);
  const std::string bytes = read_bytes(path_);
  std::string wrong = bytes;
  wrong[1024] = 'X';
  write_bytes(path_, wrong);
  EXPECT_NE(refusal(path_).find("wrong checksum"), std::string::npos);
}

TEST_F(PyTorchTar, RefusesTruncatedFiles) {
  write_tar(path_, OldFile().files());
  const std::string bytes = read_bytes(path_);
  const size_t end = bytes.find(view_list({{101, 100, 2, 3}})) + view_list({{101, 100, 2, 3}}).size();
  for (size_t size = 0; size < end; size += size < 1600 ? 7 : 31) {
    write_bytes(path_, bytes.substr(0, size));
    EXPECT_NE(refusal(path_), "") << size;
  }
}

TEST_F(PyTorchTar, SurvivesFlippedBits) {
  std::mt19937 random(7);
  const auto honest = OldFile().files();
  for (int round = 0; round < 2000; ++round) {
    TarFiles files = honest;
    std::string& bytes = files[random() % files.size()].second;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    write_tar(path_, files);
    refusal(path_);
  }
}

}  // namespace
}  // namespace bsq::test
