#pragma once

#include <cstdint>
#include <string>

#include "tools/sweep/job.h"

namespace bsq::cli {

/// Most threads that make batches for a run, unless its options say otherwise.
constexpr int64_t kMostWorkers = 4;

/// FOLDER/RUN of a stage: what it prints goes to FOLDER/RUN.txt and FOLDER/RUN.err.
std::string output_of(const Job& job, const Stage& stage);

/// Why a job's next stage failed, from its exit status (128 + the signal that ended it) and the last line
/// that it left on stderr.
std::string failure_text(const Job& job, int status);

}  // namespace bsq::cli
