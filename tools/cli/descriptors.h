#pragma once

namespace bsq::cli {

/// Opens /dev/null for each of stdin, stdout and stderr that is closed. Otherwise the next file that is
/// opened takes its number, and what is printed goes into that file. For the first line of main().
void open_closed_descriptors();

}  // namespace bsq::cli
