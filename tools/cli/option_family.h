#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bsq/base/options.h"

namespace bsq::cli {

/// Options that the value of another option brings: those of the method that --method names, of the
/// architecture that -a names. Which one it is stands on the command line, in --config's file, or in the
/// configuration of the run that --resume takes up.
struct OptionFamily {
  std::string option;                               ///< whose value chooses: "method"
  std::string default_name;                         ///< the one that counts where nobody chooses
  std::function<std::vector<std::string>()> names;  ///< those that there are
  /// Adds the options of one of them, under a heading of their own.
  std::function<void(OptionTable&, const std::string& name)> add;
};

}  // namespace bsq::cli
