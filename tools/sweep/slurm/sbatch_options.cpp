#include "tools/sweep/slurm/sbatch_options.h"

#include <map>

#include "bsq/base/shown_text.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  throw UsageError("--sbatch " + shown_text(text) + ": " + why);
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

// Reads words as the shell does, one character after the other.
class WordReader {
 public:
  explicit WordReader(const std::string& text) : text_(text) {}

  std::vector<std::string> words() {
    while (at_ < text_.size()) {
      take(text_[at_++]);
    }
    end_word();
    return words_;
  }

 private:
  void take(char c) {
    if (is_blank(c)) {
      end_word();
      return;
    }
    is_open_ = true;
    if (c == '\\') {
      word_ += next("expected a character after \\");
    } else if (c == '\'' || c == '"') {
      take_quoted(c);
    } else {
      word_ += c;
    }
  }

  void take_quoted(char quote) {
    const std::string missing = std::string("expected another ") + quote;
    for (char c = next(missing); c != quote; c = next(missing)) {
      const bool is_escape = c == '\\' && quote == '"' && at_ < text_.size() &&
                             std::string("\\\"$`").find(text_[at_]) != std::string::npos;
      word_ += is_escape ? next(missing) : c;
    }
  }

  char next(const std::string& missing) {
    if (at_ == text_.size()) {
      refuse(text_, missing);
    }
    return text_[at_++];
  }

  void end_word() {
    if (is_open_) {
      words_.push_back(word_);
    }
    word_.clear();
    is_open_ = false;
  }

  const std::string& text_;
  size_t at_ = 0;
  bool is_open_ = false;
  std::string word_;
  std::vector<std::string> words_;
};

// The option that a word names: "--array" of "--array=1-3", "-a" of "-a1-3".
std::string name_of_word(const std::string& word) {
  return word.compare(0, 2, "--") == 0 ? word.substr(0, word.find('=')) : word.substr(0, 2);
}

void check_name(const std::string& text, const std::string& name) {
  static const std::map<std::string, std::string> kTaken = {
      {"--array", "sweep makes the array; --jobs limits how many of its tasks run at once"},
      {"-a", "sweep makes the array; --jobs limits how many of its tasks run at once"},
      {"--dependency", "sweep sets it"},
      {"-d", "sweep sets it"},
      {"--job-name", "sweep finds its jobs by their name"},
      {"-J", "sweep finds its jobs by their name"},
      {"--wrap", "sweep has a script of its own"},
      {"--no-requeue", "a run that saves its state goes back to the queue"},
      {"--wait", "sweep does not wait for its jobs"},
      {"-W", "sweep does not wait for its jobs"},
      {"--parsable", "sweep sets it"},
      {"--test-only", "it submits nothing"},
      {"--help", "it submits nothing"},
      {"-h", "it submits nothing"},
      {"--usage", "it submits nothing"},
      {"--version", "it submits nothing"},
      {"-V", "it submits nothing"},
      {"--clusters", "expected SLURM_CLUSTERS in the environment, which squeue reads too"},
      {"-M", "expected SLURM_CLUSTERS in the environment, which squeue reads too"}};
  // sbatch takes the beginning of a long name for the whole.
  const auto taken = kTaken.lower_bound(name);
  if (taken != kTaken.end() && (taken->first == name || (name.size() > 2 && taken->first.find(name) == 0))) {
    refuse(text, taken->first + ": " + taken->second);
  }
}

}  // namespace

std::vector<std::string> sbatch_options(const std::string& text) {
  const auto words = WordReader(text).words();
  bool may_be_value = false;  // of the option before
  for (const auto& word : words) {
    const bool is_option = word.size() > 1 && word[0] == '-' && word != "--";
    if (!is_option && !may_be_value) {
      refuse(text, "expected options of sbatch, such as --partition=gpu; found " + shown_text(word));
    }
    if (is_option) {
      check_name(text, name_of_word(word));
    }
    may_be_value = is_option && word.find('=') == std::string::npos;
  }
  return words;
}

}  // namespace bsq::cli
