#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bsq::infer {

/// What a node of a stored program computes; bsq/graph/program.h says more of each.
enum class Kind {
  kInput,
  kConv,
  kLinear,
  kNorm,
  kRelu,
  kActivation,
  kAdd,
  kConcat,
  kGlobalAveragePool,
  kAveragePool,
  kMaxPool,
  kFlatten,
  kPadChannels
};

/// c = min(max(x, low), high), then step * round((c - offset) / divisor) + offset, or c where divisor is 0.
struct Rule {
  double low, high;
  double divisor = 0, step = 0, offset = 0;
};

struct GraphNode {
  std::string path;
  Kind kind = Kind::kInput;
  std::vector<int> inputs;  ///< nodes before it
  int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
  double epsilon = 1e-5;          ///< of a norm
  Rule rule{0, 0};                ///< of an activation
  int64_t before = 0, after = 0;  ///< of pad_channels
};

/// The program of a file.
struct Graph {
  std::vector<GraphNode> nodes;  ///< in an order in which they can be computed; the first is the image
  int output = 0;
  std::array<int64_t, 3> image{3, 32, 32};  ///< channels, height, width
};

/// Reads the JSON of the attribute `program` (checkpoints/README.md). A dropout does nothing here, and is
/// left out. Throws bsq::Error "WHERE: ..." for whatever is not a program, and for a norm or an activation of
/// which the file does not say what it computes.
Graph parse_graph(const std::string& text, const std::string& where);

}  // namespace bsq::infer
