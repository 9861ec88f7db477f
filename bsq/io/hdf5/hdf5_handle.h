#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>

namespace bsq {

/// Excludes other threads from the HDF5 library, which need not be thread-safe, and keeps it from printing
/// its errors.
class Hdf5Session {
 public:
  Hdf5Session();

 private:
  std::lock_guard<std::mutex> lock_;
};

/// Why the last HDF5 call failed, on one line: the system's reason where there is one, else the innermost of
/// HDF5's.
std::string hdf5_reason();

/// Untrusted text for a message: cut at 80 bytes, whatever is not printable ASCII replaced by '?'.
std::string printable(const std::string& text);

/// Owns one HDF5 identifier and knows where it is in which file: "FILE: /" or "FILE: /network/conv1.weight".
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);

  /// Takes `id` over. Throws bsq::Error "WHERE: cannot ACTION: reason" if it is negative, as of a call that
  /// failed.
  Hdf5Handle(hid_t id, Close close, std::string where, const std::string& action);
  ~Hdf5Handle();
  Hdf5Handle(Hdf5Handle&& other) noexcept;
  Hdf5Handle& operator=(Hdf5Handle&&) = delete;

  hid_t id() const { return id_; }
  const std::string& where() const { return where_; }
  /// Where the member `name` of this file or group is.
  std::string where(const std::string& name) const;

  /// Closes it now. Throws bsq::Error, where the destructor could not: data may be written as late as this.
  void close();
  /// Throws bsq::Error "WHERE: WHAT".
  [[noreturn]] void fail(const std::string& what) const;
  /// Passes on the result of an HDF5 call; throws bsq::Error "WHERE: cannot ACTION: reason" if it is
  /// negative.
  template <typename Result>
  Result check(Result result, const char* action) const {
    if (result < 0) fail(std::string("cannot ") + action + ": " + hdf5_reason());
    return result;
  }

 private:
  hid_t id_;
  Close close_;
  std::string where_;
};

}  // namespace bsq
