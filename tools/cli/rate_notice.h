#pragma once

#include <string>
#include <vector>

#include "bsq/train/trainer.h"
#include "tools/cli/resumable.h"

namespace bsq::cli {

/// Says it where a resumed run with more --epochs has a higher learning rate at its next step than it had at
/// its last: a longer run has a schedule of its own. `trainer` has taken up the run; `steps`: of an epoch;
/// `override_resume`: the options that this call changes. One that asks for another rate knows of it.
void say_if_rate_rises(const Trainer& trainer, const Resumable& found, int64_t steps,
                       const std::vector<std::string>& override_resume);

}  // namespace bsq::cli
