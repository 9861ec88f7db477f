#include <gtest/gtest.h>

#include <filesystem>

#include "bsq/base/error.h"
#include "tests/support.h"
#include "tools/cli/shell_text.h"
#include "tools/cli/usage_error.h"
#include "tools/sweep/slurm/launcher.h"
#include "tools/sweep/slurm/queue.h"
#include "tools/sweep/slurm/sbatch_options.h"
#include "tools/sweep/slurm/script.h"

namespace bsq::cli {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

TEST(SbatchOptions, AreReadAsAShellReadsThem) {
  EXPECT_EQ(sbatch_options(""), Words());
  EXPECT_EQ(sbatch_options(R"( -p gpu  --comment 'a  "b"' --mail-user="x\"$y" --constraint=a\ b)"),
            (Words{"-p", "gpu", "--comment", "a  \"b\"", "--mail-user=x\"$y", "--constraint=a b"}));
}

TEST(SbatchOptions, OthersThanOptionsAndThoseThatSweepSetsAreRefused) {
  for (const std::string text :
       {"script.sh", "-p gpu script.sh", "--time=10 10", "--comment 'open", "back\\", "--array=1-3", "-a1",
        "--arr=1-3", "-d afterok:1", "-J name", "--no-requeue", "--wrap true", "-M other", "--", "-W"}) {
    SCOPED_TRACE(text);
    EXPECT_THROW(sbatch_options(text), UsageError);
  }
  EXPECT_NO_THROW(sbatch_options("--wait-all-nodes=1 --delay-boot=1"));
}

TEST(SlurmQueue, WhatItsCommandsPrintIsRead) {
  EXPECT_EQ(job_number("17\n"), "17");
  EXPECT_EQ(job_number("sbatch: a word of the site\n17;cluster\n"), "17");
  EXPECT_THROW(job_number(""), Error);
  EXPECT_THROW(job_number("Submitted batch job 17\n"), Error);
  const auto states = task_states(
      "17_0|RUNNING (None)\n17_10|PENDING (Resources)\n18_N/A|RUNNING\n17_[1-3]|PENDING\n"
      "17_0.batch|FAILED\nword\n");
  EXPECT_EQ(states, (std::map<std::string, std::string>{{"17_0", "RUNNING (None)"},
                                                        {"17_10", "PENDING (Resources)"}}));
}

TEST(SlurmLauncher, TheUsersOptionsComeLast) {
  SlurmOptions options;
  options.sbatch = {"--signal=B:USR2@600"};
  options.jobs = 3;
  options.threads = 2;
  const auto words = sbatch_command_options(options, "name", 12, "7");
  EXPECT_EQ(
      shell_text(words),
      "--job-name=name --array=0-11%3 --requeue --open-mode=append --signal=B:USR2@120 --output=/dev/null "
      "--error=/dev/null --cpus-per-task=2 --dependency=afterok:7 --kill-on-invalid-dep=yes "
      "--signal=B:USR2@600");
}

TEST(SubmittedJobs, AreReadAsTheyWereWritten) {
  const test::TemporaryFolder folder;
  const auto path = folder.path().string();
  EXPECT_TRUE(read_submitted_jobs(path).empty());
  write_submitted_jobs(path, {{"a", "17", {"float"}}, {"b", "", {"x", "y"}}});
  const auto jobs = read_submitted_jobs(path);
  ASSERT_EQ(jobs.size(), 2U);
  EXPECT_EQ(jobs[0].number, "17");
  EXPECT_EQ(jobs[1].number, "");
  EXPECT_EQ(jobs[1].points, (Words{"x", "y"}));
  for (const std::string text :
       {"", "[]", "{\"jobs\": [{}]}", "{\"jobs\": [{\"name\": \"a\", \"number\": \"x\", \"points\": []}]}"}) {
    test::write_bytes(submitted_jobs_file(path), text);
    EXPECT_THROW(read_submitted_jobs(path), Error) << text;
  }
}

// The script with programs and a scontrol that write down how they are called.
class ArrayScript : public testing::Test {
 protected:
  ArrayScript() {
    fs::create_directories(folder_.file("bin"));
    job_.name = "it's";
    job_.folder = folder_.file("a $HOME it's");
    fs::create_directories(job_.folder);
    make_program("scontrol", "echo \"$@\" >>" + shell_text({folder_.file("requeued")}));
    job_.stages = {{"bsq_train", job_.folder + "/bsq", {}}, {"finetune", job_.folder + "/finetune", {}}};
    job_.stages[0].settings.set("comment", "a 'b' $c");
    job_.stages[1].settings.set("threads", "3");
  }
  // Each call is a line of words between < and >; then `text` goes on.
  void make_program(const std::string& name, const std::string& text) {
    const auto path = folder_.file("bin/" + name);
    test::write_bytes(path, "#!/bin/bash\n" + text + "\n");
    fs::permissions(path, fs::perms::owner_all);
  }
  static std::string call_then(const std::string& text) { return "printf '<%s>' \"$@\"; echo; " + text; }

  // Runs task 0, with `behind` behind the script's name.
  test::CommandResult run(const std::string& behind = "") {
    const auto script = folder_.file("script.sh");
    test::write_bytes(script, array_script({job_}, {folder_.file("bin"), folder_.path().string(), 2}));
    return test::run_command("cd /; export PATH=" + shell_text({folder_.file("bin")}) +
                             ":$PATH SLURM_ARRAY_JOB_ID=17 SLURM_ARRAY_TASK_ID=0 SLURM_JOB_ID=17; bash " +
                             shell_text({script}) + behind);
  }
  std::string text(const std::string& name) { return test::read_bytes(job_.folder + "/" + name); }
  std::string requeued() {
    const auto path = folder_.file("requeued");
    return fs::exists(path) ? test::read_bytes(path) : "";
  }

  test::TemporaryFolder folder_;
  Job job_;
};

TEST_F(ArrayScript, RunsTheStagesAndKeepsWhatTheySay) {
  make_program("bsq_train", call_then("echo word >&2"));
  make_program("finetune", call_then("exit 5"));
  const auto result = run();
  EXPECT_EQ(result.status, 5) << result.err << text("slurm.txt");
  EXPECT_EQ(text("bsq.txt"),
            "<--comment><a 'b' $c><--out><" + job_.folder + "/bsq><--threads><2><--workers><2>\n");
  EXPECT_EQ(text("bsq.err"), "word\n");
  EXPECT_EQ(text("bsq.status"), "0\n");
  EXPECT_EQ(text("finetune.txt"), "<--threads><3><--out><" + job_.folder + "/finetune><--workers><2>\n");
  EXPECT_EQ(text("finetune.status"), "5\n");
  EXPECT_EQ(requeued(), "");
}

TEST_F(ArrayScript, ARunThatSavedGoesBackToTheQueueAndOnFromThere) {
  for (const std::string status : {"140", "143"}) {
    make_program("bsq_train", call_then("exit " + status));
    EXPECT_EQ(run().status, std::stoi(status));
    EXPECT_EQ(text("bsq.status"), status + "\n");
  }
  EXPECT_EQ(requeued(), "requeue 17_0\nrequeue 17_0\n") << "17 would be the whole array";
  EXPECT_FALSE(fs::exists(job_.folder + "/finetune.status"));

  fs::create_directories(job_.folder + "/bsq");
  test::write_bytes(job_.folder + "/bsq/checkpoint.prev.h5", "state");
  make_program("bsq_train", call_then("exit 0"));
  make_program("finetune", call_then("exit 0"));
  EXPECT_EQ(run().status, 0);
  const auto calls = text("bsq.txt");
  EXPECT_NE(calls.find("\n<--resume><--out><" + job_.folder + "/bsq><--threads><2>"), std::string::npos)
      << calls;
  EXPECT_EQ(run().status, 0);
  EXPECT_EQ(text("bsq.txt"), calls) << "what has succeeded is not run again";
}

TEST_F(ArrayScript, SignalsReachTheRun) {
  const std::vector<std::pair<std::string, int>> signals = {{"USR2", 140}, {"TERM", 143}};
  for (const auto& [signal, status] : signals) {
    SCOPED_TRACE(signal);
    const auto begun = folder_.file("begun " + signal);
    make_program("bsq_train", "trap 'sleep 0.1; exit " + std::to_string(status) + "' " + signal + "; touch " +
                                  shell_text({begun}) + "; for i in $(seq 500); do sleep 0.02; done");
    const auto result = run(" & pid=$!; for i in $(seq 500); do [ -e " + shell_text({begun}) +
                            " ] && break; sleep 0.02; done; kill -" + signal + " $pid; wait $pid");
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(text("bsq.status"), std::to_string(status) + "\n");
  }
  EXPECT_EQ(requeued(), "requeue 17_0\nrequeue 17_0\n");
}

}  // namespace
}  // namespace bsq::cli
