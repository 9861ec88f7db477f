#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// Where a report's page goes: FOLDER/index.html.
class PageFile {
 public:
  /// `inputs`: the folders that are read. With `overwrite` the page may replace a file that no report wrote,
  /// but none in or below a folder that is read.
  PageFile(const std::string& folder, const std::vector<std::string>& inputs, bool overwrite);

  /// Throws bsq::Error where the page would replace anything but a page of report's. Changes nothing.
  void check() const;
  /// The same, then makes the folder and replaces the page, as a whole or not at all.
  void write(const std::string& page) const;
  const std::string& path() const { return path_; }

 private:
  bool is_among_inputs() const;

  std::string folder_, path_;
  std::vector<std::string> inputs_;
  bool overwrite_;
};

}  // namespace bsq::cli
