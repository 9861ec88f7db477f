#pragma once

namespace bsq::cli {

/// After something was printed to stdout: where it could not be written, says so on stderr, once, and makes
/// std::cout ready for the next try.
void check_record();

/// Whether everything that check_record() looked at was written.
bool is_record_complete();

}  // namespace bsq::cli
