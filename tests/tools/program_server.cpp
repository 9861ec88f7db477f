#include "tests/tools/program_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>  // program_invocation_name, of glibc
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>

int bsq_train_main(int argc, char** argv);
int convert_main(int argc, char** argv);
int finetune_main(int argc, char** argv);
int describe_main(int argc, char** argv);
int report_main(int argc, char** argv);

namespace bsq::test {
namespace {

struct Program {
  const char* name;
  int (*main)(int, char**);
};

constexpr Program kPrograms[] = {{"bsq_train", bsq_train_main},
                                 {"convert", convert_main},
                                 {"finetune", finetune_main},
                                 {"describe", describe_main},
                                 {"report", report_main}};
constexpr size_t kLongestRequest = 256 * 1024;
constexpr int kFirstOwn = STDERR_FILENO + 1;

const Program* find_program(const std::string& name) {
  const auto* const found = std::find_if(std::begin(kPrograms), std::end(kPrograms),
                                         [&](const Program& known) { return name == known.name; });
  return found == std::end(kPrograms) ? nullptr : found;
}

std::vector<std::string> environment() {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    entries.emplace_back(*entry);
  }
  return entries;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t first = 0; first < text.size();) {
    const size_t end = text.find('\0', first);
    parts.push_back(text.substr(first, end - first));
    first = end + 1;
  }
  return parts;
}

void open_as(int descriptor, const std::string& path, int flags) {
  const int opened = open(path.c_str(), flags, 0600);
  if (opened < 0 || dup2(opened, descriptor) < 0) {
    _exit(127);
  }
}

// The request: tool, working folder, file of stdout, file of stderr, the words.
[[noreturn]] void become(std::vector<std::string> request) {
  constexpr size_t kBeforeWords = 4;
  if (chdir(request[1].c_str()) != 0) {
    _exit(127);
  }
  open_as(STDIN_FILENO, "/dev/null", O_RDONLY);
  open_as(STDOUT_FILENO, request[2], O_WRONLY | O_CREAT | O_TRUNC);
  open_as(STDERR_FILENO, request[3], O_WRONLY | O_CREAT | O_TRUNC);
  close_range(kFirstOwn, ~0U, 0);
  std::vector<char*> words;
  for (size_t i = kBeforeWords; i < request.size(); ++i) {
    words.push_back(request[i].data());
  }
  words.push_back(nullptr);
  program_invocation_name = words[0];
  std::exit(find_program(request[0])->main(static_cast<int>(words.size()) - 1, words.data()));
}

// Until the test's process closes its end.
[[noreturn]] void serve(int socket) {
  std::string buffer(kLongestRequest, '\0');
  while (true) {
    const ssize_t bytes = recv(socket, buffer.data(), buffer.size(), 0);
    if (bytes <= 0) {
      _exit(0);
    }
    const pid_t child = fork();
    if (child == 0) {
      become(split(buffer.substr(0, static_cast<size_t>(bytes))));
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (send(socket, &status, sizeof(status), MSG_NOSIGNAL) != sizeof(status)) {
      _exit(1);
    }
  }
}

// OpenMP, OpenBLAS and libtorch start their threads when they are first used. A process that has some cannot
// fork children that go on.
bool has_one_thread() {
  namespace fs = std::filesystem;
  return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator()) == 1;
}

class Server : public testing::Environment {
 public:
  void SetUp() override {
    int ends[2];
    if (!has_one_thread() || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
      return;
    }
    std::cout.flush();
    std::fflush(nullptr);
    child_ = fork();
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      close(ends[0]);
      serve(ends[1]);
    }
    close(ends[1]);
    socket_ = child_ > 0 ? ends[0] : -1;
    environment_ = environment();
  }

  void TearDown() override {
    if (socket_ >= 0) {
      close(socket_);
      socket_ = -1;
      waitpid(child_, nullptr, 0);
    }
  }

  std::optional<int> run(const std::string& request) {
    const std::lock_guard<std::mutex> lock(mutex_);
    int status = 0;
    if (socket_ < 0 || environment_ != environment() || request.size() > kLongestRequest ||
        send(socket_, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
      return std::nullopt;
    }
    if (recv(socket_, &status, sizeof(status), 0) != sizeof(status)) {
      ADD_FAILURE() << "the process that runs programs is gone";
      return std::nullopt;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int socket_ = -1;
  pid_t child_ = -1;
  std::vector<std::string> environment_;
  std::mutex mutex_;
};

// GoogleTest owns it.
auto* const server = dynamic_cast<Server*>(testing::AddGlobalTestEnvironment(new Server));

bool runs_itself(const std::string& word) { return word.rfind("--ranks", 0) == 0; }

}  // namespace

std::optional<int> serve_program(const std::string& tool, const std::vector<std::string>& words,
                                 const std::string& out, const std::string& err) {
  const bool has_nothing =
      std::any_of(words.begin(), words.end(), [](const auto& word) { return word.empty(); });
  if (find_program(tool) == nullptr || has_nothing || std::any_of(words.begin(), words.end(), runs_itself)) {
    return std::nullopt;
  }
  std::string request;
  for (const auto& part : {tool, std::filesystem::current_path().string(), out, err}) {
    request += part + '\0';
  }
  for (const auto& word : words) {
    request += word + '\0';
  }
  return server->run(request);
}

}  // namespace bsq::test
