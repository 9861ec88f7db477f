#pragma once

#include <cstdint>
#include <string>

namespace bsq::cli {

/// A line on stderr, beside the record on stdout. Control characters are shown, not sent.
void notice(const std::string& text);

/// The same for an error, which every rank of a run tells, with its number.
void complain(const std::string& text);

/// Of several processes that do one job the first one speaks for all: the others give no notices.
void speak_as_rank(int64_t rank);

}  // namespace bsq::cli
