#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace bsq {

/// Types of ONNX's tensors, with the numbers that its schema gives them.
enum class OnnxType {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kUint4 = 21,
  kInt4 = 22,
  kUint2 = 25,
  kInt2 = 26
};

/// Smallest and largest integer of an integer type, kInt32 at most.
std::pair<int64_t, int64_t> limits_of(OnnxType type);

/// An attribute of a node.
struct OnnxAttribute {
  std::string name;
  std::variant<int64_t, double, std::string, std::vector<int64_t>> value;
};

/// An ONNX model in the making: a list of nodes, constants, an input and an output. Values go by name; a name
/// that is taken gets a number.
class OnnxModel {
 public:
  static constexpr int64_t kFirstOpset = 13;  ///< the first one with a scale for each channel
  static constexpr int64_t kLastOpset = 25;
  /// The domain of QONNX's nodes.
  static constexpr const char* kQonnxDomain = "qonnx.custom_op.general";

  /// Throws std::invalid_argument for an opset outside kFirstOpset to kLastOpset.
  OnnxModel(const std::string& name, int64_t opset);
  ~OnnxModel();
  OnnxModel(const OnnxModel&) = delete;
  OnnxModel& operator=(const OnnxModel&) = delete;

  int64_t opset() const { return opset_; }

  /// Adds the float input or output; the first dimension, "batch", is free. Give the input first.
  std::string input(const std::string& name, const std::vector<int64_t>& shape);
  void output(const std::string& value, const std::string& name, const std::vector<int64_t>& shape);

  /// Adds a constant; integers of a type that holds them. Types below 8 bits are packed. Gives its name.
  /// Throws std::invalid_argument for integers outside the type.
  std::string constant(const std::string& name, const torch::Tensor& values, OnnxType type);
  /// One float number.
  std::string number(const std::string& name, double value);

  /// Adds a node with one output. `name`: of the node and its output. Gives the output's name.
  std::string node(const std::string& operation, const std::string& name,
                   const std::vector<std::string>& inputs, const std::vector<OnnxAttribute>& attributes = {},
                   const std::string& domain = "");

  /// A text beside the graph.
  void metadata(const std::string& key, const std::string& text);

  /// The file. The same calls give the same bytes.
  std::string bytes() const;

 private:
  std::string unique(const std::string& name);

  struct Parts;
  std::unique_ptr<Parts> parts_;
  int64_t opset_;
};

/// Whether the file is an ONNX model.
bool is_onnx_file(const std::string& path);

}  // namespace bsq
