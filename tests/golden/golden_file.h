#pragma once

#include <hdf5.h>
#include <torch/types.h>

#include <string>
#include <vector>

namespace bsq::test {

/// Just enough of HDF5 to read the golden files, apart from the library that is under test.
class GoldenFile {
 public:
  explicit GoldenFile(const std::string& path);
  ~GoldenFile();
  GoldenFile(const GoldenFile&) = delete;
  GoldenFile& operator=(const GoldenFile&) = delete;

  bool has(const std::string& path) const;
  /// Names of the members of a group.
  std::vector<std::string> members(const std::string& group) const;
  double number(const std::string& object, const std::string& attribute) const;
  /// A text of variable length.
  std::string text(const std::string& object, const std::string& attribute) const;
  /// A list of such texts.
  std::vector<std::string> texts(const std::string& object, const std::string& attribute) const;
  bool has_attribute(const std::string& object, const std::string& attribute) const;
  /// A dataset as float64.
  torch::Tensor tensor(const std::string& path) const;

 private:
  hid_t file_;
};

/// The golden file of this name, or "" where the default folder is missing. A folder that BSQ_GOLDEN names
/// and that lacks the file is a failure.
std::string golden_path(const std::string& name);
/// The same of the folder that BSQ_GOLDEN_METHODS names, default SOURCE/../shared/golden-methods.
std::string golden_methods_path(const std::string& name);

}  // namespace bsq::test
