#pragma once

namespace bsq::cli {

/// From now on SIGINT and SIGTERM end the program with 130 and 143, with a line on stderr, as long as there
/// is nothing to save. A file that grows beyond a limit is an error and no signal.
void watch_signals();

/// From now on the first signal only asks to stop (stop_status); a SIGINT after it ends the program at once.
void stop_by_request();

/// 0, or 130 or 143, the exit status for the signal that has come since stop_by_request().
int stop_status();

}  // namespace bsq::cli
