#pragma once

#include <map>
#include <string>

#include "bsq/base/options.h"
#include "tools/cli/resumable.h"

namespace bsq::cli {

/// The options of the run that --resume takes up, and what the call may change of them: what the ResumeRule
/// of an option says.
class ResumedRun {
 public:
  /// Reads the checkpoint in the folder. Throws bsq::Error.
  explicit ResumedRun(const std::string& folder);

  /// What the run's configuration says and, where it is silent, the description of its network.
  const OptionTexts& texts() const { return texts_; }
  /// Gives the table the run's options, all but the folder. Throws bsq::Error for a configuration that cannot
  /// be read.
  void fill(OptionTable& table);
  /// After the table has taken what the call gives: throws UsageError, showing every difference, where an
  /// option differs from the run's and its rule does not allow that. Puts the options' own names into
  /// --override-resume.
  void check(OptionTable& table) const;

 private:
  void refuse_fewer_than_trained(const Option& epochs) const;
  bool may_differ(const Option& option, const std::string& stored,
                  const std::vector<std::string>& overridden) const;

  Resumable found_;
  OptionTexts texts_;
  std::map<std::string, std::string> stored_;  // name to text of every option
};

}  // namespace bsq::cli
