#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>
#include <string>

namespace bsq::test {

/// A fresh folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// The bytes of a file; a missing file is a test failure and gives "".
std::string read_bytes(const std::string& path);
/// Replaces a file by these bytes.
void write_bytes(const std::string& path, const std::string& bytes);
/// Replaces a file by a shell script that can be run.
void write_script(const std::string& path, const std::string& lines);

/// Equality of type, shape and every bit.
bool same_bits(const torch::Tensor& a, const torch::Tensor& b);

/// The folder of shared data (BSQ_SHARED), of golden files (BSQ_GOLDEN) or of those of the methods beside BSQ
/// (BSQ_GOLDEN_METHODS). Empty where only the default is
/// missing, so that the caller skips; a folder that the variable names and that is missing is a test failure.
std::string shared_folder();
std::string golden_folder();
std::string golden_methods_folder();

/// Runs a shell command. Gives its exit status and what it printed on stdout and stderr.
struct CommandResult {
  int status;
  std::string out;
  std::string err;
};
CommandResult run_command(const std::string& command);
/// The full path of one of the project's programs, as built.
std::string program(const std::string& name);

}  // namespace bsq::test
