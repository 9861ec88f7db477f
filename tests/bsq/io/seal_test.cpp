#include "bsq/io/seal.h"

#include <sys/stat.h>

#include "bsq/base/error.h"
#include "tests/support.h"

namespace bsq {
namespace {

std::string error_of(const std::string& path) {
  try {
    check_seal(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string sealed(const std::string& content) { return make_seal(content.data(), content.size()) + content; }

TEST(Seal, IsTheSha256InHexadecimal) {
  const std::string seal = make_seal("abc", 3);
  ASSERT_EQ(seal.size(), kSealBytes);
  EXPECT_EQ(seal.substr(0, seal.find('\0')),
            "bsq sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 bytes follow\n");
}

TEST(Seal, WaitsForNoPipe) {
  const test::TemporaryFolder folder;
  const std::string pipe = folder.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0666), 0);
  EXPECT_EQ(error_of(pipe), pipe + ": not a regular file, expected a checkpoint");
  EXPECT_EQ(error_of("/dev/zero"), "/dev/zero: not a regular file, expected a checkpoint");
}

TEST(Seal, HoldsForItsContentAlone) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a");
  const std::string content(3'000'000, 'x');
  test::write_bytes(path, sealed(content));
  EXPECT_EQ(error_of(path), "");
  EXPECT_TRUE(is_intact(path));
  test::write_bytes(path, sealed(content) + "x");
  EXPECT_EQ(error_of(path), path +
                                ": damaged: the SHA-256 at its start is not that of the 3000001 bytes that "
                                "follow");
  test::write_bytes(path, sealed(content).substr(0, 2'000'000));
  EXPECT_NE(error_of(path).find("damaged"), std::string::npos);
  EXPECT_FALSE(is_intact(path));
}

TEST(Seal, EveryFlippedBitShows) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a");
  const std::string honest = sealed("some content");
  for (size_t bit = 0; bit < 8 * honest.size(); ++bit) {
    std::string flipped = honest;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    test::write_bytes(path, flipped);
    EXPECT_NE(error_of(path), "") << "bit " << bit;
  }
}

TEST(Seal, AFileThatStartsAsHdf5HasNone) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder.file("a"), "\x89HDF\r\n\x1a\n and so on");
  EXPECT_TRUE(is_intact(folder.file("a")));
  for (const std::string other : {"", "text", "\x89HDF"}) {
    test::write_bytes(folder.file("a"), other);
    EXPECT_NE(error_of(folder.file("a")).find("not an HDF5 file"), std::string::npos);
  }
  EXPECT_EQ(error_of(folder.file("gone")),
            "cannot open " + folder.file("gone") + ": No such file or directory");
}

}  // namespace
}  // namespace bsq
