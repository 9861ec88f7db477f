#include "tools/sweep/slurm/script.h"

#include "tools/cli/shell_text.h"
#include "tools/sweep/stage_output.h"

namespace bsq::cli {
namespace {

// The task is named in full: that of the last one alone is the number of the whole array.
constexpr const char* kFunctions = R"bash(
told= signals=0 child=
pass_on() {
  told=$1 signals=$((signals + 1))
  [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null
}
trap 'pass_on USR2' USR2
trap 'pass_on TERM' TERM

back_to_queue() {
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
  exit "$1"
}

# Sets status. A signal ends wait before the run ends.
wait_for_child() {
  local before=-1 found
  status=127
  while [ "$before" != "$signals" ]; do
    before=$signals
    wait "$child"
    found=$?
    [ "$found" = 127 ] || status=$found
  done
  child=
}

# run OUT FOLDER PROGRAM OPTION...: once it has succeeded, never again.
run() {
  local out=$1 folder=$2 status
  shift 2
  [ "$(cat "$out.status" 2>/dev/null)" != 0 ] || return 0
  case $told in
  USR2) back_to_queue 140 ;;
  TERM) back_to_queue 143 ;;
  esac
  if [ -e "$folder/checkpoint.h5" ] || [ -e "$folder/checkpoint.prev.h5" ]; then
    set -- "$1" --resume --out "$folder"
  fi
  "$@" "${machine[@]}" >>"$out.txt" 2>"$out.err" &
  child=$!
  [ -z "$told" ] || kill -s "$told" "$child" 2>/dev/null
  wait_for_child
  echo "$status" >"$out.status.new" && mv "$out.status.new" "$out.status" || exit 1
  case $status in
  0) ;;
  140 | 143) back_to_queue "$status" ;;
  *) exit "$status" ;;
  esac
}
)bash";

std::string assignment(const std::string& name, const std::string& value) {
  return name + "=" + shell_text({value}) + "\n";
}

std::string machine_line(const Stage& stage) {
  std::string words;
  if (!stage.settings.has("threads")) {
    words += R"(--threads "$threads")";
  }
  if (!stage.settings.has("workers")) {
    words += std::string(words.empty() ? "" : " ") + R"(--workers "$workers")";
  }
  return "  machine=(" + words + ")\n";
}

std::string task_text(const Job& job, size_t index, const std::string& programs) {
  auto text = std::to_string(index) + ")\n  exec >>" + shell_text({job.folder + "/slurm.txt"}) + " 2>&1\n";
  for (size_t i = job.finished; i < job.stages.size(); ++i) {
    const auto& stage = job.stages[i];
    auto words = stage.command();
    words[0] = programs + "/" + stage.program;
    words.insert(words.begin(), {output_of(job, stage), stage.folder});
    text += machine_line(stage) + "  run " + shell_text(words) + "\n";
  }
  return text + "  ;;\n";
}

}  // namespace

std::string array_script(const std::vector<Job>& jobs, const ScriptOptions& options) {
  auto text = std::string("#!/bin/bash\n# A job array of sweep. Each task makes one point.\n") + kFunctions;
  text += "\ncd " + shell_text({"--", options.folder}) + " || exit 1\n";
  // An interactive step that sweep was called in is not that of the runs.
  text += "unset \"${!SLURM_STEP_@}\"\n";
  text += options.threads > 0 ? assignment("threads", std::to_string(options.threads))
                              : "threads=${SLURM_CPUS_PER_TASK:-1}\n";
  const auto most = std::to_string(kMostWorkers);
  text += "workers=$((threads < " + most + " ? threads : " + most + "))\n";
  text += "case $SLURM_ARRAY_TASK_ID in\n";
  for (size_t i = 0; i < jobs.size(); ++i) {
    text += task_text(jobs[i], i, options.programs);
  }
  return text + "esac\n";
}

std::string status_file(const Job& job, const Stage& stage) { return output_of(job, stage) + ".status"; }

}  // namespace bsq::cli
