#include "tools/report/page_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"
#include "tools/report/page.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

// Only for regular files. Pages of older versions have no generator, but this title.
bool is_page_of_ours(const std::string& path) {
  std::string start(2048, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(in.gcount()));
  const auto holds = [&](const std::string& line) {
    return start.find("\n" + line + "\n") != std::string::npos;
  };
  return start.rfind("<!doctype html>\n", 0) == 0 &&
         (holds(kPageGenerator) || holds("<title>BSQ report</title>"));
}

}  // namespace

PageFile::PageFile(const std::string& folder, const std::vector<std::string>& inputs, bool overwrite)
    : folder_(folder), path_(folder + "/index.html"), inputs_(inputs), overwrite_(overwrite) {}

bool PageFile::is_among_inputs() const {
  std::error_code error;
  const auto own = fs::weakly_canonical(folder_, error);
  return std::any_of(inputs_.begin(), inputs_.end(), [&](const std::string& input) {
    const auto read = fs::weakly_canonical(fs::path(input) / "", error);
    const auto end = read.has_filename() ? read.end() : std::prev(read.end());
    const auto parts = std::mismatch(read.begin(), end, own.begin(), own.end());
    return parts.first == end;
  });
}

void PageFile::check() const {
  std::error_code error;
  if (fs::exists(folder_, error) && !fs::is_directory(folder_, error)) {
    throw Error(folder_ + ": a file; expected a folder to write to");
  }
  const auto type = fs::symlink_status(path_, error).type();
  if (type == fs::file_type::not_found || (type == fs::file_type::regular && is_page_of_ours(path_))) {
    return;
  }
  const bool is_file = type == fs::file_type::regular || type == fs::file_type::symlink;
  if (!is_file || is_among_inputs()) {
    throw Error(path_ + ": not a page of report; expected another folder as --out");
  }
  if (!overwrite_) {
    throw Error(path_ + ": not a page of report; expected another folder as --out, or --overwrite");
  }
}

void PageFile::write(const std::string& page) const {
  check();
  make_folders(folder_);
  write_bytes_atomically(path_, {page});
}

}  // namespace bsq::cli
