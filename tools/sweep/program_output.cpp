#include "tools/sweep/program_output.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "bsq/base/error.h"

namespace bsq::cli {
namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

// A file, not a pipe: the program never waits for a reader.
File temporary_file() {
  File file(std::tmpfile(), std::fclose);
  if (file == nullptr) {
    throw Error(std::string("cannot make a temporary file: ") + std::strerror(errno));
  }
  return file;
}

std::string text_of_file(FILE* file) {
  std::string text;
  std::array<char, 4096> part;
  std::rewind(file);
  for (size_t count = 0; (count = std::fread(part.data(), 1, part.size(), file)) > 0;) {
    text.append(part.data(), count);
  }
  return text;
}

int wait_for_end(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

ProgramOutput output_of_program(const std::vector<std::string>& command) {
  const auto out = temporary_file();
  const auto err = temporary_file();
  std::vector<char*> arguments;
  for (const auto& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, fileno(out.get()), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(err.get()), STDERR_FILENO);
  pid_t pid = -1;
  const int failure = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) {
    throw Error(command.front() + ": cannot be started: " + std::strerror(failure));
  }
  ProgramOutput output;
  output.status = wait_for_end(pid);
  output.out = text_of_file(out.get());
  output.err = text_of_file(err.get());
  return output;
}

}  // namespace bsq::cli
