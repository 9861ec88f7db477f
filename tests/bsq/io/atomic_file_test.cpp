#include "bsq/io/atomic_file.h"

#include <filesystem>

#include "bsq/error.h"
#include "tests/support.h"

namespace bsq {
namespace {

size_t files_in(const test::TemporaryFolder& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

TEST(AtomicFile, ReplacesTheFile) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  for (const std::string content : {"old", "new"}) {
    write_atomically(path, [&](const std::string& temporary) {
      EXPECT_EQ(std::filesystem::path(temporary).parent_path(), folder.path());
      test::write_bytes(temporary, content);
    });
    EXPECT_EQ(test::read_bytes(path), content);
  }
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, KeepsTheOldFileWhenTheWriterFails) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  test::write_bytes(path, "old");
  EXPECT_THROW(write_atomically(path,
                                [](const std::string& temporary) {
                                  test::write_bytes(temporary, "half");
                                  throw Error("full");
                                }),
               Error);
  EXPECT_EQ(test::read_bytes(path), "old");
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, NamesThePathAndTheReason) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  std::filesystem::create_directories(path + "/taken");
  try {
    write_atomically(path, [](const std::string& temporary) { test::write_bytes(temporary, "new"); });
    FAIL() << "a folder was replaced by a file";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "cannot write " + path + ": Is a directory");
  }
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, AWriterThatMakesNoFileIsAnError) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(write_atomically(folder.file("a.h5"), [](const std::string&) {}), Error);
}

TEST(AtomicFile, WorksInTheCurrentFolder) {
  const test::TemporaryFolder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_atomically("a.h5", [](const std::string& temporary) { test::write_bytes(temporary, "new"); });
  std::filesystem::current_path(before);
  EXPECT_EQ(test::read_bytes(folder.file("a.h5")), "new");
}

}  // namespace
}  // namespace bsq
