#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bsq::cli {

/// One tensor that can hold bits, as a file has it.
struct TensorLine {
  std::string name;
  std::vector<int64_t> shape;
  std::string encoding;  ///< float, binary, planes or frozen
  int64_t bits;          ///< 0 for float ones and where no bit is left
  double scale;          ///< NaN for float ones
};

/// What is in a model file.
struct FileDescription {
  std::string path;
  uint64_t bytes = 0;
  std::string kind;  ///< float, bits or frozen
  bool has_description = false;
  std::string architecture, activation_range, dataset;
  std::map<std::string, std::string> options;  ///< the architecture's own
  int64_t classes = 0, activation_bits = 0, epoch = -1;
  double top1, comp, comp_stored;  ///< NaN: not known
  bool is_resumable = false;
  int64_t next_epoch = -1;
  int64_t float_elements = 0;
  std::vector<TensorLine> bit_tensors;
  std::string configuration;
};

/// Reads a file, ours or PyTorch's. Throws bsq::Error.
FileDescription describe_file(const std::string& path);

std::string text_of(const FileDescription& description);
/// One line: kind, top-1, comp, comp_stored, size, path.
std::string brief_of(const FileDescription& description);
/// Numbers that are not known are null.
nlohmann::json json_of(const FileDescription& description);

}  // namespace bsq::cli
