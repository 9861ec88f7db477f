#pragma once

#include <stdexcept>

namespace bsq {

/// A file, a data set or a network that is not what it has to be. The message is one line that says where,
/// what was found, what was expected, and in which file. A caller's mistake is a std::invalid_argument
/// instead.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace bsq
