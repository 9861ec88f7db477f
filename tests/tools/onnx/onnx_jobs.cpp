#include "tests/tools/onnx/onnx_jobs.h"

#include <algorithm>
#include <cstring>
#include <sstream>

namespace bsq::test {
namespace {

constexpr int64_t kQonnxImages = 200;  // as in run_onnx.py

torch::Tensor read_floats(const std::string& path, int64_t rows) {
  const auto bytes = read_bytes(path);
  const auto count = static_cast<int64_t>(bytes.size() / sizeof(float));
  auto values = torch::empty({count});
  std::memcpy(values.data_ptr(), bytes.data(), static_cast<size_t>(count) * sizeof(float));
  return values.reshape({rows, -1});
}

}  // namespace

bool has_onnx_python() {
  return std::string(BSQ_PYTHON) != "" &&
         run_command("'" BSQ_PYTHON "' -c 'import onnx, onnxruntime, qonnx'").status == 0;
}

std::string OnnxJobs::file(const std::string& name) {
  names_.push_back(name);
  return folder_.file(name + ".onnx");
}

std::map<std::string, OnnxResult> OnnxJobs::run(const torch::Tensor& images) const {
  const auto raw = images.to(torch::kFloat32).contiguous();
  write_bytes(folder_.file("images.f32"), {static_cast<const char*>(raw.data_ptr()), raw.nbytes()});
  std::string command =
      "'" BSQ_PYTHON "' '" BSQ_SOURCE "/tests/python/run_onnx.py' " + folder_.path().string();
  for (const auto& name : names_) {
    command += " " + name;
  }
  const auto result = run_command(command);
  EXPECT_EQ(result.status, 0) << result.err;
  std::map<std::string, OnnxResult> results;
  std::istringstream lines(result.out);
  for (std::string name, metadata, kinds; std::getline(lines, name, '\t') &&
                                          std::getline(lines, metadata, '\t') &&
                                          std::getline(lines, kinds);) {
    const bool is_qonnx = name.size() > 6 && name.substr(name.size() - 6) == "-qonnx";
    const auto rows = is_qonnx ? std::min(kQonnxImages, images.size(0)) : images.size(0);
    results[name] = {read_floats(folder_.file(name + ".f32"), rows), nlohmann::json::parse(metadata),
                     nlohmann::json::parse(kinds)};
  }
  EXPECT_EQ(results.size(), names_.size()) << result.out;
  return results;
}

std::string Disagreement::text() const {
  std::ostringstream text;
  text << classes << " other classes, median difference " << median << ", largest " << largest;
  return text.str();
}

Disagreement disagreement(const torch::Tensor& ours, const torch::Tensor& theirs) {
  const auto spread = ours.std().clamp_min(1e-30).item<double>();
  const auto differences = (ours - theirs).abs().amax(/*dim=*/1) / spread;
  return {ours.argmax(1).ne(theirs.argmax(1)).sum().item<int64_t>(), differences.median().item<double>(),
          differences.max().item<double>()};
}

}  // namespace bsq::test
