#include "bsq/io/onnx/onnx_model.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <stdexcept>

#include "tests/support.h"

namespace bsq::test {
namespace {

bool holds(const std::string& bytes, const std::string& part) {
  return bytes.find(part) != std::string::npos;
}

TEST(OnnxModel, SmallIntegersArePackedFromTheLowestBits) {
  OnnxModel model("m", 25);
  model.constant("four", torch::tensor({1, -2, 7}), OnnxType::kInt4);
  model.constant("two", torch::tensor({-1, 0, 1, -2, 1}), OnnxType::kInt2);
  const auto bytes = model.bytes();
  EXPECT_TRUE(holds(bytes, std::string("\x4a\x02\xe1\x07", 4)));  // raw_data, two bytes
  EXPECT_TRUE(holds(bytes, std::string("\x4a\x02\x93\x01", 4)));
}

TEST(OnnxModel, IntegersOutsideTheTypeAreRefused) {
  OnnxModel model("m", 21);
  EXPECT_NO_THROW(model.constant("a", torch::tensor({-8, 7}), OnnxType::kInt4));
  EXPECT_THROW(model.constant("b", torch::tensor({8}), OnnxType::kInt4), std::invalid_argument);
  EXPECT_THROW(model.constant("c", torch::tensor({-1}), OnnxType::kUint8), std::invalid_argument);
  EXPECT_THROW(OnnxModel("m", OnnxModel::kFirstOpset - 1), std::invalid_argument);
  EXPECT_THROW(OnnxModel("m", OnnxModel::kLastOpset + 1), std::invalid_argument);
}

TEST(OnnxModel, ANameThatIsTakenGetsANumber) {
  OnnxModel model("m", 17);
  EXPECT_EQ(model.input("x", {3}), "x");
  EXPECT_EQ(model.node("Relu", "relu", {"x"}), "relu");
  EXPECT_EQ(model.node("Relu", "relu", {"relu"}), "relu_2");
}

TEST(OnnxModel, AFileIsToldFromOthers) {
  const TemporaryFolder folder;
  OnnxModel model("m", 17);
  model.output(model.input("x", {3}), "y", {3});
  write_bytes(folder.file("m.onnx"), model.bytes());
  write_bytes(folder.file("other"), "some text of mine");
  write_bytes(folder.file("empty"), "");
  EXPECT_TRUE(is_onnx_file(folder.file("m.onnx")));
  for (const char* name : {"other", "empty", "missing"}) {
    EXPECT_FALSE(is_onnx_file(folder.file(name))) << name;
  }
}

}  // namespace
}  // namespace bsq::test
