#include <nlohmann/json.hpp>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/checkpoint/packing.h"
#include "tests/bsq/io/checkpoint/checkpoint_samples.h"
#include "tests/support.h"

namespace bsq {
namespace {

using nlohmann::json;

const char* numpy_name(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat32:
      return "float32";
    case torch::kFloat64:
      return "float64";
    case torch::kInt64:
      return "int64";
    case torch::kInt32:
      return "int32";
    default:
      return "uint8";
  }
}

/// The tensor as read_checkpoint.py prints it.
json described(const torch::Tensor& tensor) {
  static const char kDigits[] = "0123456789abcdef";
  const torch::Tensor values = tensor.contiguous();
  const uint8_t* bytes = static_cast<const uint8_t*>(values.data_ptr());
  std::string hex;
  for (size_t i = 0; i < values.nbytes(); ++i) hex += {kDigits[bytes[i] >> 4], kDigits[bytes[i] & 15]};
  return {{"dtype", numpy_name(values.scalar_type())}, {"shape", values.sizes().vec()}, {"hex", hex}};
}

/// design.md, section 2: the weight that an entry stands for.
torch::Tensor weight(const StoredTensor& entry) {
  if (entry.encoding == Encoding::kFloat) return entry.value;
  const torch::ScalarType type = entry.scale.scalar_type();
  const double top = static_cast<double>((1 << entry.bits) - 1);
  if (entry.bits == 0) return torch::zeros(entry.value.sizes(), type);
  if (entry.encoding == Encoding::kBinary) return entry.scale * (entry.value.to(type) / top);
  torch::Tensor q = entry.value;
  if (entry.encoding == Encoding::kPlanes) {
    q = torch::zeros(entry.positive.sizes().slice(1), torch::kFloat64);
    for (int64_t b = 0; b < entry.bits; ++b) {
      q = q * 2 + (entry.positive[b] - entry.negative[b]).to(torch::kFloat64);
    }
    q = q / top;
  }
  return (entry.scale * q.sign() * (torch::round(q.abs().clamp_max(1) * top) / top)).to(type);
}

torch::Tensor stored(const StoredTensor& entry) {
  if (entry.encoding == Encoding::kBinary) return pack_digits(entry.value, entry.bits);
  if (entry.encoding == Encoding::kPlanes) return torch::stack({entry.positive, entry.negative});
  return entry.value;
}

bool has_h5py() {
  return std::string(BSQ_PYTHON)[0] == '/' &&
         test::run_command("'" BSQ_PYTHON "' -c 'import h5py, numpy'").status == 0;
}

json read_by_h5py(const std::string& path) {
  const test::CommandResult result =
      test::run_command("'" BSQ_PYTHON "' '" BSQ_CHECKPOINT_READER "' '" + path + "'");
  EXPECT_EQ(result.status, 0) << result.err;
  return json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

void expect_network(const json& found, const NetworkState& network) {
  ASSERT_EQ(found["names"].size(), network.size());
  for (size_t i = 0; i < network.size(); ++i) {
    const auto& [name, entry] = network[i];
    EXPECT_EQ(found["names"][i], name);
    EXPECT_EQ(found["raw"][name], described(stored(entry))) << name;
    EXPECT_EQ(found["weights"][name], described(weight(entry))) << name;
  }
}

TEST(CheckpointH5py, ReadsWhatWeWrite) {
  if (!has_h5py()) GTEST_SKIP() << "no python3 with h5py";
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  const Checkpoint checkpoint = test::small_checkpoint();
  write_checkpoint(path, checkpoint);
  const json found = read_by_h5py(path);
  const json& attributes = found["attributes"];
  EXPECT_EQ(attributes["format"], "bsq");
  EXPECT_EQ(attributes["version"], 1);
  EXPECT_EQ(attributes["kind"], "bits");
  EXPECT_EQ(attributes["depth"], 56);
  EXPECT_EQ(attributes["configuration"], checkpoint.configuration);
  EXPECT_EQ(json::parse(attributes["scheme"].get<std::string>()),
            json::parse(R"({"z.conv": [5, 16], "gone": [0, 0], "a": [8, 0], "b": [1, 0]})"));
  expect_network(found, checkpoint.network);
  EXPECT_EQ(found["training"]["best_top1"], checkpoint.training->best_top1);
  EXPECT_EQ(found["history"]["columns"], checkpoint.training->columns);
  EXPECT_EQ(found["history"]["shape"], json({2, 3}));
  for (const auto& [name, tensor] : checkpoint.training->optimizer) {
    EXPECT_EQ(found["optimizer"][name], described(tensor)) << name;
  }
}

TEST(CheckpointH5py, ReadsAFrozenNetwork) {
  if (!has_h5py()) GTEST_SKIP() << "no python3 with h5py";
  const test::TemporaryFolder folder;
  const Checkpoint checkpoint = test::frozen_checkpoint();
  write_checkpoint(folder.file("a.h5"), checkpoint);
  expect_network(read_by_h5py(folder.file("a.h5")), checkpoint.network);
}

}  // namespace
}  // namespace bsq
