#pragma once

#include <stdexcept>

namespace bsq::cli {

/// A command line that cannot be run: exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace bsq::cli
