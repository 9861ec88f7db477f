#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bsq::fuzz {

/// A file that readers open by its path, in memory where the system has a folder for that (HDF5 wants a file
/// with a name).
class FuzzFile {
 public:
  FuzzFile();
  ~FuzzFile();
  FuzzFile(const FuzzFile&) = delete;
  FuzzFile& operator=(const FuzzFile&) = delete;
  const std::string& path() const { return path_; }
  /// Replaces what it holds.
  void fill(const uint8_t* data, size_t bytes) const;

 private:
  std::string path_;
  int descriptor_;
};

/// Ends the program unless the message is one line that is not empty.
void require_one_line(const std::string& message);

}  // namespace bsq::fuzz
