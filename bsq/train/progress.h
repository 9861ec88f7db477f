#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <utility>

namespace bsq {

/// Progress of an epoch on a stream: on a terminal a line that is drawn over itself and never longer than the
/// terminal is wide, with a bar where there is room for one; else a plain line now and then and at the end.
class Progress {
 public:
  /// `columns` gives the terminal's width, asked for each line; without it the stream is no terminal.
  explicit Progress(std::ostream& out, std::function<int()> columns = {})
      : out_(out), columns_(std::move(columns)) {}

  void begin(const std::string& title, int64_t total, int64_t first = 0);
  /// `done` of `total`; `note` is shown behind ("loss 0.41, top-1 86.2").
  void update(int64_t done, const std::string& note);
  /// Ends the line.
  void end();

 private:
  void draw_bar(int64_t done, const std::string& note);
  void print_line(int64_t done, const std::string& note);
  double seconds() const;

  std::ostream& out_;
  std::function<int()> columns_;
  std::string title_;
  int64_t total_ = 0;
  int64_t first_ = 0;
  std::chrono::steady_clock::time_point start_;
  double shown_at_ = 0;
  bool has_bar_ = false;
};

/// "1:02:03" or "2:03".
std::string clock_text(double seconds);

}  // namespace bsq
