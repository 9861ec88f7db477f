#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>

namespace bsq {

/// Progress of an epoch on a stream: a bar with the time left that is drawn over itself on a terminal, else a
/// plain line now and then and at the end.
class Progress {
 public:
  Progress(std::ostream& out, bool is_terminal) : out_(out), is_terminal_(is_terminal) {}

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
  bool is_terminal_;
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
