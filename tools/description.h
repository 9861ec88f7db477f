#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bsq/infer/latency.h"
#include "bsq/io/run_summary.h"

namespace bsq::cli {

/// One tensor that holds bits, as a file has it.
struct TensorLine {
  TensorBits tensor;
  std::string encoding;             ///< binary, planes or frozen
  std::vector<double> scale;        ///< one number, or one a channel
  std::vector<double> offset = {};  ///< the same of codes that have one; else empty
  std::string rule;                 ///< of its quantizer, in a few words; "": there is nothing to be said
};

/// One float tensor, or in a file that is no model for us any tensor.
struct FloatLine {
  std::string name;
  std::vector<int64_t> shape;
  std::string type;  ///< PyTorch's name, "float32"
};

/// What is in a model file.
struct FileDescription {
  std::string path;
  uint64_t bytes = 0;
  std::string method;  ///< the method that gave the model its form; "float": no bits
  bool has_description = false;
  std::string architecture, activation_range, dataset;
  std::map<std::string, std::string> options;  ///< the architecture's own
  std::string activations;                     ///< what else is to be said of them, as text; "" for the usual
  int64_t classes = 0, activation_bits = 0, epoch = -1;
  double top1;  ///< NaN: not known
  bool is_resumable = false;
  int64_t next_epoch = -1;
  Sizes sizes;
  std::optional<int64_t> macs, bit_operations;  ///< of one image; nothing: not known
  std::vector<TensorLine> tensors;
  std::vector<FloatLine> floats;
  std::string fault;  ///< why a PyTorch file is no network for us; "": it may be one
  std::string configuration;
  std::optional<infer::Latency> latency;  ///< nothing: not measured
};

/// Reads a file, ours or PyTorch's. A PyTorch file whose tensors make no network is described too, with the
/// reason as `fault`. Throws bsq::Error.
FileDescription describe_file(const std::string& path);

std::string text_of(const FileDescription& description);
/// One line: kind, top-1, comp, comp_stored, size, path.
std::string brief_of(const FileDescription& description);
/// Numbers that are not known are null.
nlohmann::json json_of(const FileDescription& description);

/// The same of a run's folder, from its summary. `latency`: of the model to use; nothing: not measured.
std::string text_of(const std::string& folder, const RunSummary& run,
                    const std::optional<infer::Latency>& latency = std::nullopt);
std::string brief_of(const std::string& folder, const RunSummary& run,
                     const std::optional<infer::Latency>& latency = std::nullopt);
nlohmann::json json_of(const RunSummary& run, const std::optional<infer::Latency>& latency = std::nullopt);

}  // namespace bsq::cli
