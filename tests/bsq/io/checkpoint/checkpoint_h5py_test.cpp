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

torch::Tensor along_channels_of(const torch::Tensor& scale, const torch::Tensor& values) {
  std::vector<int64_t> shape(static_cast<size_t>(scale.dim() == 0 ? 0 : values.dim()), 1);
  if (!shape.empty()) shape[0] = scale.numel();
  return scale.reshape(shape);
}

/// The nearest point of the grid, by its places.
torch::Tensor nearest(const torch::Tensor& q, const CodeFormat& format) {
  const double levels = static_cast<double>(format.levels);
  const auto clipped =
      q.clamp(static_cast<double>(format.low) / levels, static_cast<double>(format.high()) / levels);
  const auto places = (clipped * levels - format.low) / format.step;
  return (places.round() * format.step + format.low) / levels;
}

/// checkpoints/README.md: the weight that an entry stands for.
torch::Tensor weight(const std::string& name, const NetworkState& network) {
  const auto named = [&](const std::string& wanted) -> const StoredTensor& {
    for (const auto& [other, entry] : network) {
      if (other == wanted) return entry;
    }
    throw std::out_of_range(wanted);
  };
  const auto& entry = named(name);
  if (entry.encoding == Encoding::kFloat) return entry.value;
  if (entry.encoding == Encoding::kCodes) {
    const auto values = entry.value.to(entry.scale.scalar_type()) / static_cast<double>(entry.format.levels);
    return values * along_channels_of(entry.scale, values);
  }
  if (entry.encoding == Encoding::kLatent) {
    if (entry.format.bits == 0) return entry.value;
    const auto dot = name.rfind('.') + 1;
    const auto& scale = named(name.substr(0, dot) + (name.substr(dot) == "bias" ? "biasscale" : "scale"));
    return nearest(entry.value, entry.format) * along_channels_of(scale.value, entry.value);
  }
  torch::Tensor q = torch::zeros(entry.positive.sizes().slice(1), torch::kFloat64);
  for (int64_t b = 0; b < entry.format.bits; ++b) {
    q = q * 2 + (entry.positive[b].to(torch::kFloat64) - entry.negative[b].to(torch::kFloat64));
  }
  q = q / static_cast<double>(entry.format.levels);
  return (nearest(q, entry.format) * entry.scale.to(torch::kFloat64)).to(entry.scale.scalar_type());
}

torch::Tensor stored(const StoredTensor& entry) {
  if (entry.encoding == Encoding::kCodes) return pack_codes(entry.value, entry.format);
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
    EXPECT_EQ(found["weights"][name], described(weight(name, network))) << name;
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
  EXPECT_EQ(attributes["version"], 2);
  EXPECT_EQ(attributes["method"], "bsq");
  EXPECT_EQ(attributes["activation"], "uniform");
  EXPECT_EQ(json::parse(attributes["options"].get<std::string>()), json(checkpoint.description.options));
  EXPECT_EQ(attributes["configuration"], checkpoint.configuration);
  EXPECT_EQ(json::parse(attributes["scheme"].get<std::string>()),
            json::parse(R"({"z.conv": [5, 16], "gone": [0, 0], "a": [8, 0], "b": [1, 0], "twos": [4, 0],
                           "signs": [1, 0], "latent": [3, 0], "empty": [0, 0]})"));
  expect_network(found, checkpoint.network);
  EXPECT_EQ(found["training"]["best_top1"], checkpoint.training->best_top1);
  EXPECT_EQ(found["history"]["columns"], checkpoint.training->columns);
  EXPECT_EQ(found["history"]["shape"], json({2, 3}));
  for (const auto& [name, tensor] : checkpoint.training->optimizer) {
    EXPECT_EQ(found["optimizer"][name], described(tensor)) << name;
  }
  for (const auto& [name, tensor] : checkpoint.training->method) {
    EXPECT_EQ(found["method"][name], described(tensor)) << name;
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
