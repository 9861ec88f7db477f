#include "bsq/io/text_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "bsq/base/error.h"
#include "tests/support.h"

namespace bsq {
namespace {

std::string message_of(const std::string& path, size_t most_bytes) {
  try {
    read_text_file(path, most_bytes, "a note");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TextFile, ReadsWhatIsNotTooLong) {
  const test::TemporaryFolder folder;
  for (const size_t bytes :
       {size_t{0}, size_t{1}, size_t{65535}, size_t{65536}, size_t{65537}, size_t{300000}}) {
    const std::string text(bytes, 'x');
    test::write_bytes(folder.file("text"), text);
    EXPECT_EQ(read_text_file(folder.file("text"), bytes, "a note"), text);
    if (bytes > 0) {
      EXPECT_EQ(message_of(folder.file("text"), bytes - 1).find(folder.file("text") + ": longer than "), 0U);
    }
  }
  EXPECT_FALSE(read_text_file("/proc/self/status", 1 << 20, "a note").empty()) << "a file that says 0 bytes";
}

TEST(TextFile, WaitsForNothing) {
  const test::TemporaryFolder folder;
  const auto pipe = folder.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0666), 0);
  std::filesystem::create_symlink("loop", folder.file("loop"));
  EXPECT_EQ(message_of(pipe, 100), pipe + ": a pipe; expected a note");
  EXPECT_EQ(message_of("/dev/zero", 100), "/dev/zero: a device; expected a note");
  EXPECT_EQ(message_of(folder.path().string(), 100), folder.path().string() + ": a folder; expected a note");
  for (const std::string name : {"loop", "none"}) {
    EXPECT_EQ(message_of(folder.file(name), 100).find(folder.file(name) + ": cannot be read ("), 0U);
  }
  EXPECT_TRUE(is_there(folder.file("loop")));
  EXPECT_FALSE(is_there(folder.file("none")));
}

}  // namespace
}  // namespace bsq
