#include "bsq/io/safetensors.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "bsq/base/error.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

using namespace std::string_literals;

std::string little_endian(uint64_t number) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) {
    bytes += static_cast<char>(number >> 8 * i);
  }
  return bytes;
}

class Safetensors : public testing::Test {
 protected:
  std::string path() const { return folder_.file("a.safetensors"); }

  // The message that refuses a file of this header and these bytes; "" if it reads.
  std::string refusal_of(const std::string& header, const std::string& data = "") const {
    return refusal_of_bytes(little_endian(header.size()) + header + data);
  }

  std::string refusal_of_bytes(const std::string& bytes) const {
    write_bytes(path(), bytes);
    try {
      read_safetensors(path());
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.rfind(path() + ": ", 0), 0U) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      return message.substr(std::min(message.size(), path().size() + 2));
    }
    return "";
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(Safetensors, WhatIsWrittenIsReadBitForBit) {
  PyTorchCheckpoint written;
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kFloat16, torch::kBFloat16, torch::kInt64,
                          torch::kInt32, torch::kInt16, torch::kInt8, torch::kUInt8, torch::kBool}) {
    written.state.emplace_back("t" + std::to_string(static_cast<int>(type)),
                               (torch::arange(12).view({3, 4}) % 2).to(type));
  }
  written.state.emplace_back("number", torch::tensor(1.5F));
  written.state.emplace_back("empty", torch::zeros({0, 3}));
  written.state.emplace_back("transposed", torch::arange(6, torch::kFloat32).view({2, 3}).t());
  written.bits = {{"conv1", {8, 0}}, {"fc", {3, 4}}};
  written.has_bits = true;
  written.epoch = 7;
  written.accuracy = 92.55;
  written.extras =
      PyTorchExtras{"{}", {{"conv1.weight", torch::tensor(0.1F)}}, {{"act.range", torch::rand({3})}}};
  write_safetensors(path(), written);
  EXPECT_TRUE(is_safetensors_file(path()));
  const auto read = read_safetensors(path());
  ASSERT_EQ(read.state.size(), written.state.size());
  std::map<std::string, torch::Tensor> by_name(read.state.begin(), read.state.end());
  for (const auto& [name, tensor] : written.state) {
    EXPECT_TRUE(same_bits(by_name[name], tensor.contiguous())) << name;
  }
  EXPECT_EQ(read.bits, written.bits);
  EXPECT_EQ(read.epoch, written.epoch);
  EXPECT_EQ(read.accuracy, written.accuracy);
  ASSERT_TRUE(read.extras);
  EXPECT_EQ(read.extras->description, "{}");
  EXPECT_TRUE(same_bits(read.extras->scales.at(0).second, written.extras->scales[0].second));
  EXPECT_TRUE(same_bits(read.extras->state.at(0).second, written.extras->state[0].second));
}

TEST_F(Safetensors, ReadsWhatOthersWrite) {
  EXPECT_EQ(refusal_of(
                R"({"module.w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"a":"b"}}  )",
                "\0\0\x80\x3f\0\0\0\x40"s),
            "");
  const auto read = read_safetensors(path());
  ASSERT_EQ(read.state.size(), 1U);
  EXPECT_EQ(read.state[0].first, "w");
  EXPECT_TRUE(same_bits(read.state[0].second, torch::tensor({1.0F, 2.0F})));
  EXPECT_FALSE(read.extras);
}

TEST_F(Safetensors, RefusesHeadersThatDoNotFit) {
  const auto entry = [](const std::string& type, const std::string& shape, const std::string& offsets) {
    return R"({"w":{"dtype":)" + type + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  const std::string data(8, 'x');
  EXPECT_EQ(refusal_of(entry(R"("F32")", "[2]", "[0,8]"), data), "");
  for (
      const auto& header :
      {entry(R"("F8_E4M3")", "[8]", "[0,8]"),
       entry("3", "[2]", "[0,8]"),
       entry(R"("F32")", "[3]", "[0,8]"),
       entry(R"("F32")", "[2]", "[0,9]"),
       entry(R"("F32")", "[2]", "[8,0]"),
       entry(R"("F32")", "[1]", "[4,8]"),
       entry(R"("F32")", "[1]", "[0,4]"),
       entry(R"("F32")", "[-2]", "[0,8]"),
       entry(R"("F32")", "[2.0]", "[0,8]"),
       entry(R"("F32")", "2", "[0,8]"),
       entry(R"("F32")", "[2]", "[0,8,8]"),
       entry(R"("F32")", "[2]", "[8,16]"),
       entry(R"("F32")", "[4294967296,4294967296]", "[0,8]"),
       entry(R"("F32")", "[2147483648,2147483648,0]", "[0,8]"),
       R"({"w":3})"s,
       R"({"w":{}})"s,
       "{}"s,
       "[]"s,
       "{"s,
       R"({"__metadata__":{}})"s,
       R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"s,
       R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"s,
       R"({"a\nb":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"s,
       R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":[[[[[]]]]]}})"s,
       R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"bsq":"[]"}})"s,
       R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"epoch":3}})"s}) {
    EXPECT_NE(refusal_of(header, data), "") << header;
  }
  EXPECT_NE(refusal_of(R"({"w":{"dtype":"BOOL","shape":[8],"data_offsets":[0,8]}})", data), "");
}

TEST_F(Safetensors, RefusesFilesThatAreCut) {
  PyTorchCheckpoint checkpoint;
  checkpoint.state.emplace_back("w", torch::rand({2, 3}));
  write_safetensors(path(), checkpoint);
  const auto bytes = read_bytes(path());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(refusal_of_bytes(bytes.substr(0, size)), "") << size;
  }
  EXPECT_NE(refusal_of_bytes(bytes + "x"), "");
  EXPECT_NE(refusal_of_bytes(little_endian(UINT64_MAX) + "{}"), "");
  EXPECT_FALSE(is_safetensors_file(path()));
  EXPECT_FALSE(is_safetensors_file("/"));
}

TEST_F(Safetensors, RefusesToWriteWhatItCannotHold) {
  PyTorchCheckpoint checkpoint;
  checkpoint.state.emplace_back("w", torch::zeros({2}, torch::kComplexFloat));
  EXPECT_THROW(write_safetensors(path(), checkpoint), std::invalid_argument);
  checkpoint.state = {{"w", torch::zeros({2})}, {"w", torch::zeros({2})}};
  EXPECT_THROW(write_safetensors(path(), checkpoint), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
