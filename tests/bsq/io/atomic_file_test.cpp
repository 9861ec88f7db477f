#include "bsq/io/atomic_file.h"

#include <filesystem>

#include "bsq/base/error.h"
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

TEST(AtomicFile, KeepsTheOneBefore) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  const std::string previous = folder.file("a.prev.h5");
  for (const std::string content : {"first", "second", "third"}) {
    write_bytes_atomically(path, {content.substr(0, 2), content.substr(2)}, {{}, previous});
    EXPECT_EQ(test::read_bytes(path), content);
    EXPECT_EQ(std::filesystem::exists(previous), content != "first");
  }
  EXPECT_EQ(test::read_bytes(previous), "second");
  EXPECT_EQ(files_in(folder), 2u);
}

TEST(AtomicFile, OneThatIsTheOneBeforeAlreadyIsFine) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  const std::string previous = folder.file("a.prev.h5");
  test::write_bytes(path, "old");
  std::filesystem::create_hard_link(path, previous);  // as a process leaves it that is killed in between
  write_bytes_atomically(path, {"new"}, {{}, previous});
  EXPECT_EQ(test::read_bytes(path), "new");
  EXPECT_EQ(test::read_bytes(previous), "old");
  EXPECT_EQ(files_in(folder), 2u);
}

TEST(AtomicFile, WhatDoesNotVerifyReplacesNothing) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  test::write_bytes(path, "old");
  const auto refuse = [](const std::string& temporary) {
    EXPECT_EQ(test::read_bytes(temporary), "new");
    throw Error("not what was written");
  };
  EXPECT_THROW(write_bytes_atomically(path, {"new"}, {refuse, folder.file("a.prev.h5")}), Error);
  EXPECT_EQ(test::read_bytes(path), "old");
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, RemovesTheTemporariesOfKilledProcessesAlone) {
  const test::TemporaryFolder folder;
  for (const char* name : {".a.h5.tmp.12", ".checkpoint.h5.tmp.99999"}) {
    test::write_bytes(folder.file(name), "half");
  }
  const std::vector<std::string> others = {"a.h5", ".a.h5.tmp.", ".a.h5.tmp.1x", "a.h5.tmp.12", ".tmp.12"};
  for (const std::string& name : others) test::write_bytes(folder.file(name), "mine");
  remove_temporaries(folder.path().string());
  EXPECT_EQ(files_in(folder), others.size());
}

TEST(AtomicFile, WorksInTheCurrentFolder) {
  const test::TemporaryFolder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_atomically("a.h5", [](const std::string& temporary) { test::write_bytes(temporary, "new"); });
  std::filesystem::current_path(before);
  EXPECT_EQ(test::read_bytes(folder.file("a.h5")), "new");
}

TEST(MakeFolders, MakesThoseAboveTooAndRefusesAFile) {
  const test::TemporaryFolder folder;
  for (const std::string name : {"a/b/c", "a/b/c", "d/", "a"}) {
    make_folders(folder.file(name));
    EXPECT_TRUE(std::filesystem::is_directory(folder.file(name))) << name;
  }
  test::write_bytes(folder.file("file"), "x");
  for (const std::string name : {"file", "file/under"}) {
    EXPECT_THROW(make_folders(folder.file(name)), Error) << name;
  }
}

}  // namespace
}  // namespace bsq
