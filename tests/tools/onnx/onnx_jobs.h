#pragma once

#include <torch/types.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support.h"

namespace bsq::test {

/// What a model gave, run by onnxruntime or QONNX (tests/python/run_onnx.py).
struct OnnxResult {
  torch::Tensor logits;     ///< (images, classes); of QONNX the first 200 images at most, for time
  nlohmann::json metadata;  ///< text by name
  nlohmann::json kinds;     ///< how many nodes of a kind onnxruntime's optimized model has; QONNX: empty
};

/// Whether Python has onnx, onnxruntime and qonnx.
bool has_onnx_python();

/// ONNX models that one Python process runs on the same images.
class OnnxJobs {
 public:
  /// The file that a model of this name has to have; a name that ends in "-qonnx" is QONNX's.
  std::string file(const std::string& name);
  void add(const std::string& name, const std::string& bytes) { write_bytes(file(name), bytes); }
  /// Runs all of them on images (N, C, H, W).
  std::map<std::string, OnnxResult> run(const torch::Tensor& images) const;

 private:
  TemporaryFolder folder_;
  std::vector<std::string> names_;
};

/// How much two evaluations of the same images differ.
struct Disagreement {
  int64_t classes = 0;  ///< images of another class
  double median = 0;    ///< of the images' largest differences of a logit, in units of the logits' spread
  double largest = 0;   ///< the largest of them
  std::string text() const;
};
Disagreement disagreement(const torch::Tensor& ours, const torch::Tensor& theirs);

}  // namespace bsq::test
