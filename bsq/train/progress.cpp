#include "bsq/train/progress.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

namespace bsq {
namespace {

constexpr double kBarSeconds = 0.1;
constexpr double kLineSeconds = 30;
constexpr int kLeastColumns = 20;
constexpr size_t kMostBar = 24;  // characters of the bar
constexpr size_t kBarRoom = 14;  // a bar of ten

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
  if (!is_last && seconds() - shown_at_ < (columns_ ? kBarSeconds : kLineSeconds)) {
    return;
  }
  shown_at_ = seconds();
  if (columns_) {
    draw_bar(done, note);
  } else {
    print_line(done, note);
  }
}

void Progress::draw_bar(int64_t done, const std::string& note) {
  const auto columns = static_cast<size_t>(std::max(columns_(), kLeastColumns));
  const auto count = std::to_string(done) + "/" + std::to_string(total_);
  std::string line = title_ + " " + count + "  " + note;
  if (line.size() + kBarRoom < columns) {
    const auto width = static_cast<int64_t>(std::min(kMostBar, columns - line.size() - 4));
    const int64_t filled = width * std::min(done, total_) / total_;
    line = title_ + " [" + std::string(static_cast<size_t>(filled), '#') +
           std::string(static_cast<size_t>(width - filled), '.') + "] " + count + "  " + note;
  }
  // The last column stays free: some terminals go to the next line once it is filled.
  out_ << "\r\033[K" << line.substr(0, columns - 1) << std::flush;
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
