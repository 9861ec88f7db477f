#pragma once

#include <string>
#include <vector>

#include "bsq/nn/stored_tensor.h"

namespace bsq {

/// "PATTERN=NAME": gives tensors other names. PATTERN is matched with whole parts of a name between dots,
/// anywhere in it and once; '*' stands for any text within a part. NAME takes the place of what was matched,
/// its '*' in order those of PATTERN; an empty NAME drops it. "shortcut=downsample" makes
/// layer2.0.downsample.0.weight of layer2.0.shortcut.0.weight.
class RenameRule {
 public:
  /// Throws std::invalid_argument for text without '=' or without a pattern, and where NAME has more '*'.
  explicit RenameRule(const std::string& text);

  const std::string& text() const { return text_; }
  /// The name after the rule; unchanged where it does not match.
  std::string operator()(const std::string& name) const;

 private:
  std::string text_;
  std::vector<std::string> pattern_;
  std::string replacement_;
};

/// Gives all tensors their new names, rule after rule. Throws bsq::Error for a rule that matches no tensor
/// and for two tensors of one name.
void rename_tensors(NetworkState& state, const std::vector<RenameRule>& rules);

/// Takes prefixes off that all names have and none of `expected`: "module.", "model.", "_orig_mod.", "net.".
void drop_common_prefixes(NetworkState& state, const std::vector<std::string>& expected);

/// Takes out tensors whose names begin with one of these.
void drop_tensors(NetworkState& state, const std::vector<std::string>& beginnings);

}  // namespace bsq
