#include "tools/sweep/board.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iomanip>
#include <ostream>
#include <sstream>

#include "bsq/train/progress.h"

namespace bsq::cli {
namespace {

constexpr std::chrono::milliseconds kInterval(500);

std::string number(double value, int digits) {
  if (!std::isfinite(value)) {
    return "";
  }
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << value;
  return text.str();
}

std::string progress_of(const Job& job) {
  auto text = state_of(job);
  if (job.is_running) {
    const auto epochs = epochs_of(job);
    text += " " + std::to_string(epochs.done) + "/" + std::to_string(epochs.all);
  }
  return text;
}

std::string row(const Entry& entry, size_t width) {
  const auto& [job, result] = entry;
  std::ostringstream text;
  text << std::left << std::setw(static_cast<int>(width)) << job.name << "  " << std::setw(18)
       << progress_of(job) << std::right << std::setw(7) << number(result.comp, 2) << std::setw(8)
       << number(result.comp_stored, 2) << std::setw(11) << number(result.trained_top1, 2) << std::setw(11)
       << number(result.top1, 2) << std::setw(9) << (result.seconds > 0 ? clock_text(result.seconds) : "");
  if (!job.error.empty()) {
    text << "  " << job.error;
  }
  return text.str();
}

size_t name_width(const std::vector<Entry>& entries) {
  size_t width = 5;
  for (const auto& entry : entries) {
    width = std::max(width, entry.job.name.size());
  }
  return width;
}

std::string head(size_t width) {
  std::ostringstream text;
  text << std::left << std::setw(static_cast<int>(width)) << "point"
       << "  " << std::setw(18) << "state" << std::right << std::setw(7) << "comp" << std::setw(8) << "stored"
       << std::setw(11) << "trained" << std::setw(11) << "finetuned" << std::setw(9) << "time";
  return text.str();
}

struct Screen {
  size_t columns = 80, rows = 24;
};

Screen screen() {
  winsize size{};
  Screen screen;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    screen = {size.ws_col, size.ws_row};
  }
  return screen;
}

// Where not all rows fit, those that run or failed come before those that wait and those that are done.
std::vector<const Entry*> chosen(const std::vector<Entry>& entries, size_t most) {
  std::vector<const Entry*> rows;
  for (const auto& entry : entries) {
    rows.push_back(&entry);
  }
  if (rows.size() > most) {
    std::stable_sort(rows.begin(), rows.end(), [](const Entry* a, const Entry* b) {
      const auto rank = [](const Job& job) {
        return job.is_running ? 0 : !job.error.empty() ? 1 : job.is_done() ? 3 : 2;
      };
      return rank(a->job) < rank(b->job);
    });
    rows.resize(most);
  }
  return rows;
}

std::string summary(const std::vector<Entry>& entries) {
  const auto done =
      std::count_if(entries.begin(), entries.end(), [](const Entry& e) { return e.job.is_done(); });
  return std::to_string(done) + " of " + std::to_string(entries.size()) + " points done";
}

}  // namespace

std::string table_of(const std::vector<Entry>& entries) {
  const auto width = name_width(entries);
  auto text = head(width) + "\n";
  for (const auto& entry : entries) {
    text += row(entry, width) + "\n";
  }
  return text;
}

void Board::tell(const std::string& line) {
  if (!is_terminal_) {
    out_ << line << std::endl;
  }
}

void Board::warn(const std::string& line) {
  out_ << line << std::endl;
  lines_ = 0;  // the next table stands below the line
}

void Board::draw(const std::vector<Entry>& entries, bool now) {
  const auto time = std::chrono::steady_clock::now();
  if (!is_terminal_ || (!now && time - drawn_ < kInterval)) {
    return;
  }
  drawn_ = time;
  const auto size = screen();
  const auto width = name_width(entries);
  std::vector<std::string> lines = {head(width)};
  for (const auto* entry : chosen(entries, size.rows > 4 ? size.rows - 4 : 1)) {
    lines.push_back(row(*entry, width));
  }
  lines.push_back(summary(entries));
  if (lines_ > 0) {
    out_ << "\033[" << lines_ << "A";
  }
  for (const auto& line : lines) {
    out_ << "\r\033[K" << line.substr(0, size.columns - 1) << "\n";
  }
  out_ << "\033[J" << std::flush;
  lines_ = static_cast<int>(lines.size());
}

}  // namespace bsq::cli
