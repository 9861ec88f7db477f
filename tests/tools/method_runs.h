#pragma once

#include <string>
#include <vector>

#include "tests/tools/tool_runs.h"

// What every method's tests of the programs ask, in one place. Runs are of ResNet-8 on the tiny images.

namespace bsq::test {

/// Runs in a folder of their own.
class MethodRuns {
 public:
  /// Begins with a float network, two epochs.
  MethodRuns();

  /// A run of `tool` into the folder NAME below; anything but exit 0 is a test failure.
  ToolRun run(const std::string& name, const std::string& tool, const std::string& arguments) const;
  /// bsq_train from the float network.
  ToolRun train(const std::string& name, const std::string& arguments) const;
  /// One epoch of finetuning of what a run ended with.
  ToolRun finetune(const std::string& name, const ToolRun& trained) const;

  /// The float network's file.
  std::string start() const { return full_.file("model_best.h5"); }

 private:
  TemporaryFolder folder_;
  ToolRun full_;
};

/// Those of a test program, begun once.
const MethodRuns& method_runs();

/// The loss falls from the first epoch to the last one.
void expect_learns(const ToolRun& run);

/// `finetune --evaluate` and `bsq_train --evaluate` with these flags ("--method lsq") count what the run that
/// wrote checkpoint.h5 counted at its end.
void expect_evaluation_agrees(const ToolRun& run, const std::string& flags);

/// One epoch of a run, then --resume up to two, give the files of `whole`, a run of two epochs with the same
/// flags from the same float network.
void expect_more_epochs_are_those_of(const ToolRun& whole, const std::string& flags);

/// A run that is killed in the middle of an epoch and resumed gives the files of an undisturbed one. Both
/// have two epochs of 40 steps with these flags, which name no output.
void expect_a_kill_leaves_no_trace(const std::string& flags);

/// Finetuning begins with what training ended with, and best_bin.h5 is as small as its bits.
void expect_finetuning_packs(const ToolRun& trained, const ToolRun& finetuned);

/// `convert --bits 8` takes checkpoint.h5 and says what it computed before and after.
void expect_conversion_takes(const ToolRun& trained);

/// summary.json names the method, and so does the page of these runs, the method's own run first.
void expect_report_knows(const std::vector<ToolRun>& runs, const std::string& method);

/// A call on the tiny images that ends with this status (0: any but 0) and these words.
void expect_refused(const std::string& tool, const std::string& arguments, int status,
                    const std::string& words);

}  // namespace bsq::test
