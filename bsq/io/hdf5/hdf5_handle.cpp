#include "bsq/io/hdf5/hdf5_handle.h"

#include <algorithm>
#include <utility>

#include "bsq/base/error.h"

namespace bsq {
namespace {

std::mutex& session_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// Keeps the first (innermost) description, or the system's own words where HDF5 quotes them.
herr_t keep_reason(unsigned, const H5E_error2_t* entry, void* reason) {
  try {
    const std::string text = entry->desc == nullptr ? "" : entry->desc;
    std::string& kept = *static_cast<std::string*>(reason);
    const std::string mark = "error message = '";
    const size_t begin = text.find(mark);
    if (begin != std::string::npos) {
      const size_t word = begin + mark.size();
      kept = text.substr(word, text.find('\'', word) - word);
      return 1;
    }
    if (kept.empty()) kept = text;
    return 0;
  } catch (...) {
    return -1;
  }
}

}  // namespace

Hdf5Session::Hdf5Session() : lock_(session_mutex()) { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::string hdf5_reason() {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_reason, &reason);
  return reason.empty() ? "HDF5 gives no reason" : printable(reason);
}

std::string printable(const std::string& text) {
  std::string line = text.substr(0, 80);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text.size() > line.size() ? line + "..." : line;
}

Hdf5Handle::Hdf5Handle(hid_t id, Close close, std::string where, const std::string& action)
    : id_(id), close_(close), where_(std::move(where)) {
  if (id_ < 0) fail("cannot " + action + ": " + hdf5_reason());
}

Hdf5Handle::~Hdf5Handle() {
  if (id_ >= 0) close_(id_);
}

Hdf5Handle::Hdf5Handle(Hdf5Handle&& other) noexcept
    : id_(std::exchange(other.id_, -1)), close_(other.close_), where_(std::move(other.where_)) {}

std::string Hdf5Handle::where(const std::string& name) const {
  return where_ + (where_.back() == '/' ? "" : "/") + printable(name);
}

void Hdf5Handle::close() { check(close_(std::exchange(id_, -1)), "finish writing"); }

void Hdf5Handle::fail(const std::string& what) const { throw Error(where_ + ": " + what); }

}  // namespace bsq
