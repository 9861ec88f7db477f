#include "bsq/train/progress.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

namespace bsq {
namespace {

constexpr double kBarSeconds = 0.1;
constexpr double kLineSeconds = 30;
constexpr int64_t kBarWidth = 24;

}  // namespace

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(std::max(0.0, seconds));
  char text[32];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  }
  return text;
}

void Progress::begin(const std::string& title, int64_t total, int64_t first) {
  title_ = title;
  total_ = std::max<int64_t>(total, 1);
  first_ = first;
  start_ = std::chrono::steady_clock::now();
  shown_at_ = 0;
}

double Progress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::update(int64_t done, const std::string& note) {
  const bool is_last = done >= total_;
  if (!is_last && seconds() - shown_at_ < (is_terminal_ ? kBarSeconds : kLineSeconds)) {
    return;
  }
  shown_at_ = seconds();
  if (is_terminal_) {
    draw_bar(done, note);
  } else {
    print_line(done, note);
  }
}

void Progress::draw_bar(int64_t done, const std::string& note) {
  const int64_t filled = kBarWidth * std::min(done, total_) / total_;
  const double left = seconds() / static_cast<double>(std::max<int64_t>(done - first_, 1)) *
                      static_cast<double>(total_ - done);
  out_ << "\r\033[K" << title_ << " [" << std::string(static_cast<size_t>(filled), '#')
       << std::string(static_cast<size_t>(kBarWidth - filled), '.') << "] " << done << "/" << total_ << " "
       << clock_text(seconds()) << ", ETA " << clock_text(left) << "  " << note << std::flush;
  has_bar_ = true;
}

void Progress::print_line(int64_t done, const std::string& note) {
  out_ << title_ << " " << done << "/" << total_ << " " << clock_text(seconds()) << "  " << note << std::endl;
}

void Progress::end() {
  if (has_bar_) {
    out_ << std::endl;
    has_bar_ = false;
  }
}

}  // namespace bsq
