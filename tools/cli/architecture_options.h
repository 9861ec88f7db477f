#pragma once

#include "tools/cli/flags.h"
#include "tools/cli/option_family.h"

namespace bsq::cli {

/// The options of the architecture that -a names. Every one, a network of the user's own too, has those of
/// NetworkDescription.
OptionFamily architecture_family(ModelFlags& flags);

}  // namespace bsq::cli
