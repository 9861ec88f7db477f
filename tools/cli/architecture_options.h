#pragma once

#include "bsq/base/options.h"
#include "tools/cli/flags.h"
#include "tools/cli/option_family.h"

namespace bsq::cli {

/// The options of the architecture that -a names. A network whose forward() is written by hand has none.
OptionFamily architecture_family(ModelFlags& flags);

/// Takes those options of the architecture that the call or a file gives.
void take_architecture_options(const OptionTable& table, ModelFlags& flags);

}  // namespace bsq::cli
