#include "tools/sweep/stage_output.h"

#include <filesystem>
#include <fstream>

namespace bsq::cli {
namespace {

std::string last_line(const std::string& file) {
  std::ifstream in(file);
  std::string last;
  for (std::string line; std::getline(in, line);) {
    last = line.empty() ? last : line;
  }
  return last;
}

}  // namespace

std::string output_of(const Job& job, const Stage& stage) {
  return job.folder + "/" + std::filesystem::path(stage.folder).filename().string();
}

std::string failure_text(const Job& job, int status) {
  const auto& stage = job.stages[job.finished];
  if (status > 128) {
    return stage.program + " was ended by signal " + std::to_string(status - 128);
  }
  const auto line = last_line(output_of(job, stage) + ".err");
  return line.empty() ? stage.program + " ended with status " + std::to_string(status) : line;
}

}  // namespace bsq::cli
