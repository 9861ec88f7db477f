#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bsq::infer {

/// A float tensor of a file.
struct StoredArray {
  std::vector<int64_t> shape;
  std::vector<float> values;  ///< row-major
};

/// A tensor of integers: value = scale * integer / levels + offset.
struct StoredCodes {
  std::vector<int64_t> shape;
  std::vector<int32_t> integers;  ///< row-major
  std::vector<float> scale;       ///< one number, or one for each output channel (first axis)
  std::vector<float> offset;      ///< as many numbers as scale has, or none: 0
  int64_t levels = 1;
  int64_t bits = 0;  ///< the bit width that counts; 0: every value is 0

  /// The values that they stand for.
  std::vector<float> values() const;
};

/// What a model file holds, without libtorch (checkpoints/README.md describes the format).
struct StoredModel {
  std::string path;
  std::string program;  ///< JSON; "" where the file has none
  std::string method, architecture, options, dataset, scheme;
  std::vector<std::string> class_names;  ///< in the order of the labels; empty where unknown
  /// Pictures of any size became images of this side, the shorter side having been made `resize` pixels; 0:
  /// they had one size.
  int64_t image_size = 0, resize = 0;
  std::array<float, 3> mean{0.4914F, 0.4822F, 0.4465F};
  std::array<float, 3> std{0.2023F, 0.1994F, 0.2010F};
  double top1 = 0, comp = 0, comp_stored = 0;  ///< NaN: unknown
  int64_t classes = 0;
  std::map<std::string, StoredArray> arrays;  ///< by the tensor's name
  std::map<std::string, StoredCodes> codes;
  std::vector<std::string> names;  ///< of all tensors, in the file's order
};

/// Reads a model file of version 1 or 2 whose tensors are codes or float, such as best_bin.h5. Nothing in it
/// is trusted: the seal is compared, a child process reads the file first, every size is checked before
/// memory is asked for. Throws bsq::Error for whatever is wrong with it.
StoredModel read_model(const std::string& path);

}  // namespace bsq::infer
