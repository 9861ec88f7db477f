#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace bsq {

/// An option that cannot be given, or not with this value. The message is one line: "--lr -1: expected a
/// number from 0 to 1000".
class OptionError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// What becomes of an option when a run goes on (--resume) and the option has another value than before.
enum class ResumeRule {
  kFixed,     ///< The run's tensors depend on it: another value is refused.
  kOverride,  ///< Another value is taken only where --override-resume names the option.
  kFree,      ///< Another value is taken.
  kCall,      ///< The option concerns one call alone and is never stored.
};
/// "fixed", "override", "free" or "call".
const char* to_string(ResumeRule rule);

/// Who gave an option its value.
enum class OptionSource {
  kDefault,  ///< nobody
  kFile,     ///< a preset, or the configuration that a run's file holds
  kCall,     ///< the command line
};

/// Names of options and their values, in the order in which they were written.
using OptionTexts = std::vector<std::pair<std::string, std::string>>;

/// Texts of which each is a word of its own on the command line and a line of its own in a file.
struct OptionLines {
  std::vector<std::string> lines;
};

/// A switch that stands for one value of an option: --float for --method float.
struct OptionWord {
  std::string name;
  std::string text;     ///< the value
  bool yields = false;  ///< whether another value of the option may stand beside it, and then counts
};

/// One option: its names, its help, the values that it takes, and the variable that holds its value.
class Option {
 public:
  /// Variables that an option can fill. A bool is a switch; a vector takes a list that commas or blanks
  /// separate; an optional has no value until somebody gives one.
  using Target = std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, std::optional<int64_t>*,
                              std::optional<double>*, std::optional<std::string>*, std::vector<int64_t>*,
                              std::vector<std::string>*, OptionLines*>;

  /// The default is the value that the variable has now. The variable has to outlive the option.
  Option(std::string name, Target target, std::string help, std::string section);

  /// Another name, for instance the published one.
  Option& alias(const std::string& name);
  /// The short form: 'a' for -a.
  Option& letter(char letter);
  /// A switch --NAME that says `text`. Beside another value of this option it is refused.
  Option& word(const std::string& name, const std::string& text);
  /// The same, but another value of this option may stand beside it, and counts.
  Option& yielding_word(const std::string& name, const std::string& text);
  /// Both ends belong to the range. Of a list it is the range of each entry.
  Option& range(double low, double high);
  /// The values that it takes, of a list those of each entry.
  Option& one_of(std::vector<std::string> choices);
  /// `expected` looks at the variable: it gives "" for a good value, else what was expected.
  Option& verify(std::function<std::string()> expected);
  /// `why_not` gives "" where the option has an effect in the run at hand, else the reason why it has none.
  Option& needs(std::function<std::string()> why_not);
  /// Says that training alone heeds the option, so that it cannot stand beside --evaluate.
  Option& only_training();
  /// Says that files keep the option only where somebody gave it: a default that depends on the model file.
  Option& stored_if_given();
  /// Every option has exactly one rule.
  Option& resume(ResumeRule rule);
  /// What stands for the value in the help: FILE, MODEL, FOLDER, N.
  Option& value_name(const std::string& name);
  /// What the help says of the default, where the variable's value does not tell: "from the file, else 20".
  Option& default_text(const std::string& text);

  const std::string& name() const { return name_; }
  const std::vector<std::string>& aliases() const { return aliases_; }
  const std::vector<OptionWord>& words() const { return words_; }
  /// '\0': none.
  char short_letter() const { return letter_; }
  const std::string& help() const { return help_; }
  const std::string& section() const { return section_; }
  const std::vector<std::string>& choices() const { return choices_; }
  /// Both ends; nothing where every number is taken.
  const std::optional<std::pair<double, double>>& bounds() const { return range_; }
  std::optional<ResumeRule> resume_rule() const { return rule_; }
  const std::string& value_word() const { return value_name_; }
  /// Whether files keep the value that the option has now.
  bool is_stored() const;
  bool concerns_training_only() const { return only_training_; }
  /// "": the default needs no word.
  const std::string& default_text() const { return default_text_; }

  bool is_switch() const;
  /// Whether its value may come in several words.
  bool is_list() const;
  /// False for an optional that nobody gave a value.
  bool has_value() const;
  /// The value in its shortest form that reads back as the same: "0.1", "true", "150 225".
  std::string text() const;
  OptionSource source() const { return source_; }
  bool is_given() const { return source_ != OptionSource::kDefault; }
  /// The name as the user wrote it, with its dashes: "--decay" for --alpha.
  const std::string& spelled() const { return spelled_; }

  /// Fills the variable. `spelled` is the name that the user wrote; "": its own. Throws OptionError for a
  /// text that the option does not take.
  void set(const std::string& text, OptionSource source = OptionSource::kCall,
           const std::string& spelled = "");
  /// Fills the variable as one of words() says. Throws OptionError where another value contradicts it.
  void set_word(const OptionWord& word, OptionSource source);
  /// Why the option has no effect in the run at hand; "" where it has one.
  std::string why_not() const;

 private:
  bool is_choice(const std::string& text) const;
  [[noreturn]] void refuse(const std::string& text, const std::string& expected) const;
  std::string expected() const;

  std::string name_;
  Target target_;
  std::string help_;
  std::string section_;
  std::vector<std::string> aliases_;
  std::vector<OptionWord> words_;
  char letter_ = '\0';
  std::optional<std::pair<double, double>> range_;
  std::vector<std::string> choices_;
  std::function<std::string()> verify_;
  std::vector<std::function<std::string()>> needs_;
  std::optional<ResumeRule> rule_;
  bool only_training_ = false;
  bool stored_if_given_ = false;
  std::string value_name_;
  std::string default_text_;
  std::string default_value_;
  OptionSource source_ = OptionSource::kDefault;
  std::string spelled_;
};

/// The options of a program, a method or an architecture: the one place that says their names, ranges,
/// defaults and help, and whether they count. The table knows no parser; it fills the variables of a struct
/// that outlives it:
///     table.add("lr", &flags.learning_rate, "learning rate").range(0, 1e6).resume(ResumeRule::kOverride);
class OptionTable {
 public:
  OptionTable() = default;
  OptionTable(const OptionTable&) = delete;
  OptionTable& operator=(const OptionTable&) = delete;

  /// The heading of the options that follow.
  void section(const std::string& title) { section_ = title; }
  /// Adds an option; it stays where it is for as long as the table lives.
  Option& add(const std::string& name, Option::Target target, const std::string& help);

  const std::deque<Option>& options() const { return options_; }
  std::deque<Option>& options() { return options_; }
  /// The option of this name or alias; nullptr where there is none.
  Option* find(const std::string& name);
  const Option* find(const std::string& name) const;
  /// The word of this name and its option; null pointers where there is none.
  std::pair<const Option*, const OptionWord*> find_word(const std::string& name) const;
  /// Whether an option, an alias or a word has this name.
  bool knows(const std::string& name) const;

  /// Fills one variable. Throws OptionError.
  void set(const std::string& name, const std::string& text, OptionSource source = OptionSource::kCall);
  /// Fills what one source gives. The entries of a list may come one by one; any other option may come once,
  /// whatever it is called. A word that a source takes back ("float = false") takes the value of its option
  /// back too. Throws OptionError.
  void set_all(const OptionTexts& texts, OptionSource source);

  /// What these texts say of an option, under any of its names; of several the last one.
  std::optional<std::string> said(const OptionTexts& texts, const std::string& name) const;

  /// Name and text of every option that is kept in files.
  std::map<std::string, std::string> values() const;
  /// Throws OptionError for options that the command line gives and that have no effect in the run at hand. A
  /// file may hold such options: one preset serves many calls.
  void check() const;
  /// "--epoch: no such option; did you mean --epochs?"
  std::string unknown_text(const std::string& name) const;

 private:
  Option& at(const std::string& name);

  std::deque<Option> options_;
  std::string section_;
};

/// A number in the shortest form that reads back as the same: 0.1, not 0.10000000000000001.
std::string shortest_text(double value);

/// The entries of a list that commas or blanks separate. Throws std::invalid_argument for a comma without an
/// entry before or behind it.
std::vector<std::string> list_entries(const std::string& text);

}  // namespace bsq
