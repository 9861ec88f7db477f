#include "tests/support.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace bsq::test {
namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "bsq-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("cannot make a temporary folder like " + name);
  }
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << "cannot read " << path;
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(out.good()) << "cannot write " << path;
}

void write_script(const std::string& path, const std::string& lines) {
  fs::remove(path);  // nobody else's file behind a link
  write_bytes(path, "#!/bin/sh\n" + lines + "\n");
  fs::permissions(path, fs::perms::owner_all);
}

bool same_bits(const torch::Tensor& a, const torch::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && torch::equal(a.cpu(), b.cpu());
}

namespace {

std::string folder(const char* variable, const char* fallback) {
  const char* named = std::getenv(variable);
  if (named != nullptr) {
    EXPECT_TRUE(fs::is_directory(named)) << variable << " names " << named << ", which is no folder";
    return named;
  }
  return fs::is_directory(fallback) ? fallback : "";
}

}  // namespace

std::string shared_folder() { return folder("BSQ_SHARED", BSQ_DEFAULT_SHARED); }
std::string golden_folder() { return folder("BSQ_GOLDEN", BSQ_DEFAULT_SHARED "/golden"); }
std::string golden_methods_folder() {
  return folder("BSQ_GOLDEN_METHODS", BSQ_DEFAULT_SHARED "/golden-methods");
}

CommandResult run_command(const std::string& command) {
  TemporaryFolder folder;
  const std::string out = folder.file("out");
  const std::string err = folder.file("err");
  const std::string line = "( " + command + "\n) >'" + out + "' 2>'" + err + "' </dev/null";
  const int status = std::system(line.c_str());
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, read_bytes(out), read_bytes(err)};
}

std::string program(const std::string& name) { return std::string(BSQ_PROGRAMS) + "/" + name; }

}  // namespace bsq::test
