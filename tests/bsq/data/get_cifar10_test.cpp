#include <filesystem>

#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

namespace fs = std::filesystem;
using test::CommandResult;

// A curl that copies a local archive and counts its calls, and a md5sum that is content with the bytes
// "good".
struct FakeNetwork : test::TemporaryFolder {
  FakeNetwork() {
    const std::string inner = file("source/cifar-10-batches-bin");
    fs::create_directories(inner);
    fs::create_directories(file("bin"));
    test::write_bytes(inner + "/test_batch.bin", "images");
    test::run_command("tar -czf " + file("archive") + " -C " + file("source") + " cifar-10-batches-bin");
    program("curl", "echo call >>" + file("calls") + "; while [ \"$1\" != --output ]; do shift; done; cp " +
                        file("archive") + " \"$2\"");
    program("md5sum", "cat >/dev/null; echo \"$FAKE_SUM  -\"");
  }
  void program(const std::string& name, const std::string& body) const {
    test::write_bytes(file("bin/" + name), "#!/bin/sh\n" + body + "\n");
    fs::permissions(file("bin/" + name), fs::perms::owner_all);
  }
  CommandResult run(const std::string& arguments,
                    const std::string& sum = "c32a1d4ab5d03f1284b67883e8d87530") const {
    return test::run_command("PATH=" + file("bin") + ":$PATH FAKE_SUM=" + sum + " " BSQ_GET_CIFAR10 " " +
                             arguments);
  }
  std::vector<std::string> entries(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(file(folder))) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST(GetCifar10, DownloadsOnceAndUnpacks) {
  const FakeNetwork network;
  for (int i = 0; i < 2; ++i) {
    const CommandResult result = network.run(network.file("data"));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(test::read_bytes(network.file("data/cifar-10-batches-bin/test_batch.bin")), "images");
    EXPECT_EQ(network.entries("data"),
              (std::vector<std::string>{"cifar-10-batches-bin", "cifar-10-binary.tar.gz"}));
  }
  EXPECT_EQ(test::read_bytes(network.file("calls")), "call\n");
}

TEST(GetCifar10, KeepsNothingOfAWrongDownload) {
  const FakeNetwork network;
  const CommandResult result = network.run(network.file("data"), "0123");
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_NE(result.err.find("has MD5 0123, expected c32a1d4a"), std::string::npos) << result.err;
  EXPECT_TRUE(network.entries("data").empty());
}

TEST(GetCifar10, ReportsAFailedDownloadInOneLine) {
  const FakeNetwork network;
  network.program("curl", "echo 'curl: (6) Could not resolve host' >&2; exit 6");
  const CommandResult result = network.run("--cifar100 " + network.file("data"));
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err,
            "get_cifar10: https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz: the download failed: "
            "curl: (6) Could not resolve host\n");
  EXPECT_TRUE(network.entries("data").empty());
}

TEST(GetCifar10, RefusesWrongUsage) {
  const FakeNetwork network;
  EXPECT_EQ(network.run("").status, 2);
  EXPECT_EQ(network.run("a b").status, 2);
  EXPECT_EQ(network.run("--mnist a").status, 2);
  EXPECT_EQ(network.run("--help").status, 0);
}

}  // namespace
}  // namespace bsq
