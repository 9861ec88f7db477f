#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bsq::fuzz {

/// A file in memory that readers open by its path.
class FuzzFile {
 public:
  FuzzFile();
  const std::string& path() const { return path_; }
  /// Replaces what it holds.
  void fill(const uint8_t* data, size_t bytes) const;

 private:
  int descriptor_;
  std::string path_;
};

/// Ends the program unless the message is one line that is not empty.
void require_one_line(const std::string& message);

}  // namespace bsq::fuzz
