#pragma once

namespace bsq::cli {

/// From now on a file that grows beyond a limit (RLIMIT_FSIZE) is an error and no signal.
void make_file_limits_errors();

/// From now on SIGINT, SIGTERM, SIGUSR2 (a queue's word that time is nearly up) and, unless nohup has it
/// ignored, SIGHUP end the program with 130, 143, 140 and 129, with a line on stderr, as long as there is
/// nothing to save. A reader of stdout that is gone is an error and no signal.
void watch_signals();

/// From now on the first signal only asks to stop (stop_status); a SIGINT after it ends the program at once.
void stop_by_request();

/// From now on a signal ends the program at once, without a line: while it only reads, which may take for
/// ever.
void stop_at_once();

/// 0, or 130, 143, 140 or 129, the exit status for the signal that has come since stop_by_request().
int stop_status();

}  // namespace bsq::cli
