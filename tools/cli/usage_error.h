#pragma once

#include "bsq/base/options.h"

namespace bsq::cli {

/// A command line that cannot be run: exit status 2.
class UsageError : public OptionError {
 public:
  using OptionError::OptionError;
};

}  // namespace bsq::cli
