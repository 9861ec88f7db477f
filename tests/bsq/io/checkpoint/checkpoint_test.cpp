#include "bsq/io/checkpoint/checkpoint.h"

#include <cmath>
#include <filesystem>
#include <functional>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint_compare.h"
#include "tests/bsq/io/checkpoint/checkpoint_samples.h"
#include "tests/bsq/io/file_size_limit.h"
#include "tests/support.h"

namespace bsq {
namespace {

void expect_round_trip(const Checkpoint& checkpoint) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  write_checkpoint(path, checkpoint);
  EXPECT_TRUE(is_hdf5_file(path));
  test::expect_same(checkpoint, read_checkpoint(path));
}

/// The message of the Error that writing to this path gives.
std::string write_error(const std::string& path, const Checkpoint& checkpoint) {
  try {
    write_checkpoint(path, checkpoint);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

void set_format(StoredTensor& entry, const CodeFormat& format) {
  entry.format = format;
  entry.bits = format.bits;
}

TEST(Checkpoint, KeepsEveryEncodingTypeAndTheTrainingState) { expect_round_trip(test::small_checkpoint()); }

TEST(Checkpoint, KeepsAFrozenNetwork) { expect_round_trip(test::frozen_checkpoint()); }

TEST(Checkpoint, KeepsDefaultsAndNothing) { expect_round_trip(Checkpoint{}); }

TEST(Checkpoint, KeepsAnEmptyTrainingState) {
  Checkpoint checkpoint;
  checkpoint.training = TrainingState{};
  expect_round_trip(checkpoint);
}

TEST(Checkpoint, KeepsTheOrderOfManyTensors) {
  Checkpoint checkpoint;
  for (int i = 0; i < 1500; ++i) {
    StoredTensor entry;
    entry.value = torch::full({1}, i);
    checkpoint.network.emplace_back(std::to_string(i * 7919 % 1500), entry);
  }
  expect_round_trip(checkpoint);
}

TEST(Checkpoint, KeepsALongConfiguration) {
  Checkpoint checkpoint;
  checkpoint.configuration = std::string(1 << 20, 'x');
  expect_round_trip(checkpoint);
  checkpoint.configuration += 'x';
  EXPECT_THROW(expect_round_trip(checkpoint), std::invalid_argument);
}

TEST(Checkpoint, TakesTensorsThatAreNotContiguous) {
  Checkpoint checkpoint;
  StoredTensor entry;
  entry.value = torch::arange(6, torch::kFloat32).reshape({2, 3}).t();
  checkpoint.network.emplace_back("a", entry);
  expect_round_trip(checkpoint);
}

TEST(Checkpoint, StructureOfAResNet20IsBelow32KiB) {
  const test::TemporaryFolder folder;
  const Checkpoint checkpoint = test::resnet20_checkpoint();
  write_checkpoint(folder.file("best_bin.h5"), checkpoint);
  const int64_t size = static_cast<int64_t>(std::filesystem::file_size(folder.file("best_bin.h5")));
  const int64_t structure = size - test::payload_bytes(checkpoint.network);
  RecordProperty("structure_bytes", static_cast<int>(structure));
  EXPECT_LE(structure, 32 << 10) << "of " << size << " bytes";
  test::expect_same(checkpoint, read_checkpoint(folder.file("best_bin.h5")));
}

TEST(Checkpoint, RefusesACallersMistake) {
  const test::TemporaryFolder folder;
  const auto refused = [&](const std::function<void(Checkpoint&)>& break_it) {
    Checkpoint checkpoint = test::small_checkpoint();
    break_it(checkpoint);
    EXPECT_THROW(write_checkpoint(folder.file("a.h5"), checkpoint), std::invalid_argument);
  };
  refused([](Checkpoint& c) { c.method = "float"; });
  refused([](Checkpoint& c) { c.network[1].first = c.network[0].first; });
  refused([](Checkpoint& c) { c.network[0].first = "a/b"; });
  refused([](Checkpoint& c) { c.network[0].first = "a\nb"; });
  refused([](Checkpoint& c) { c.network[0].first = "."; });
  refused([](Checkpoint& c) { c.network[0].first = std::string(1025, 'a'); });
  refused([](Checkpoint& c) { c.network[0].second.bits = 17; });
  refused([](Checkpoint& c) { set_format(c.network[0].second, sign_magnitude(17)); });
  refused([](Checkpoint& c) { set_format(c.network[0].second, sign_magnitude(1)); });
  refused([](Checkpoint& c) { c.network[0].second.format.levels = 0; });
  refused([](Checkpoint& c) { c.network[0].second.scale = torch::Tensor(); });
  refused([](Checkpoint& c) { c.network[0].second.scale = torch::rand({3}); });
  refused([](Checkpoint& c) { c.network[0].second.value = torch::Tensor(); });
  refused([](Checkpoint& c) { c.network[0].second.value = torch::zeros({4, 3, 3, 3}); });
  refused([](Checkpoint& c) { set_format(c.network[3].second, sign_magnitude(3)); });
  refused([](Checkpoint& c) { c.network[3].second.scale = torch::rand({2}); });
  refused([](Checkpoint& c) { c.network[5].second.value = torch::zeros({2}, torch::kFloat16); });
  refused([](Checkpoint& c) { c.training->history[0].pop_back(); });
  refused([](Checkpoint& c) { c.training->columns[0] = "\xff"; });
  refused([](Checkpoint& c) { c.description.options["depth"] = "\xff"; });
  refused([](Checkpoint& c) { c.description.classes = -1; });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Checkpoint, RefusesAScaleThatIsNotFinite) {
  const test::TemporaryFolder folder;
  Checkpoint checkpoint = test::small_checkpoint();
  checkpoint.network[0].second.scale = torch::tensor(std::nan(""));
  const std::string path = folder.file("a.h5");
  EXPECT_EQ(write_error(path, checkpoint),
            path + ": /network/z.conv.weight: the scale is not finite, expected a number");
}

TEST(Checkpoint, RefusesOneScaleThatIsNotFiniteAmongMany) {
  const test::TemporaryFolder folder;
  Checkpoint checkpoint = test::small_checkpoint();
  checkpoint.network[0].second.scale = torch::tensor({1.0F, 2.0F, std::nanf(""), 3.0F});
  EXPECT_NE(write_error(folder.file("a.h5"), checkpoint).find("the scale is not finite"), std::string::npos);
}

TEST(Checkpoint, AFullDiskKeepsTheOldFile) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  const Checkpoint old = test::frozen_checkpoint();
  write_checkpoint(path, old);
  for (const rlim_t bytes : {0, 100, 3000, 10000, 30000}) {
    const test::FileSizeLimit limit(bytes);
    const std::string message = write_error(path, test::small_checkpoint());
    EXPECT_NE(message.find(path), std::string::npos) << message;
    EXPECT_NE(message.find("File too large (5"), std::string::npos) << message;
    EXPECT_NE(message.find(" bytes needed)"), std::string::npos) << message;
  }
  test::expect_same(old, read_checkpoint(path));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  write_checkpoint(path, test::small_checkpoint());
  test::expect_same(test::small_checkpoint(), read_checkpoint(path));
}

TEST(Checkpoint, TheOneBeforeIsKeptUnlessItIsDamaged) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  const std::string previous = folder.file("a.prev.h5");
  write_checkpoint(path, test::frozen_checkpoint(), previous);
  EXPECT_FALSE(std::filesystem::exists(previous));
  write_checkpoint(path, test::small_checkpoint(), previous);
  test::expect_same(test::frozen_checkpoint(), read_checkpoint(previous));
  std::string bytes = test::read_bytes(path);
  bytes[bytes.size() / 2] ^= 1;
  test::write_bytes(path, bytes);
  const Checkpoint third = test::resnet20_checkpoint();
  write_checkpoint(path, third, previous);
  test::expect_same(third, read_checkpoint(path));
  test::expect_same(test::frozen_checkpoint(), read_checkpoint(previous));
}

TEST(Checkpoint, ComparesFilesByteByByteButForTheClock) {
  const test::TemporaryFolder folder;
  const auto differences = [&](const std::function<void(Checkpoint&)>& change) {
    Checkpoint checkpoint = test::small_checkpoint();
    write_checkpoint(folder.file("a.h5"), checkpoint);
    change(checkpoint);
    write_checkpoint(folder.file("b.h5"), checkpoint);
    return checkpoint_differences(folder.file("a.h5"), folder.file("b.h5"));
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(differences([](Checkpoint&) {}), Names());
  EXPECT_EQ(differences([](Checkpoint& c) { c.configuration += "x"; }), Names());
  EXPECT_EQ(differences([](Checkpoint& c) { c.training->sums["seconds"] = 1; }),
            Names{"/training/sums columns"});
  EXPECT_EQ(differences([](Checkpoint& c) { c.training->sums["images"] = 1; }),
            (Names{"/training/sums", "/training/sums columns"}));
  EXPECT_EQ(differences([](Checkpoint& c) { c.epoch += 1; }), Names{"/ epoch"});
  EXPECT_EQ(
      differences([](Checkpoint& c) { c.network[5].second.value = c.network[5].second.value + 1; }).size(),
      1u);
  EXPECT_EQ(differences([](Checkpoint& c) { c.training->rate_factor = 0.5; }),
            Names{"/training rate_factor"});
  EXPECT_EQ(differences([](Checkpoint& c) { c.training->history[0][0] += 1; }), Names{"/training/history"});
}

TEST(Checkpoint, NamesThePathThatCannotBeWritten) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder.file("file"), "text");
  const std::string below = folder.file("file") + "/a.h5";
  const auto expect_error = [](const std::string& path, const std::string& reason) {
    const auto error = write_error(path, Checkpoint{});
    EXPECT_EQ(error.find("cannot write " + path + ": " + reason + " ("), 0U) << error;
    EXPECT_NE(error.find(" bytes needed)"), std::string::npos) << error;
  };
  expect_error(below, "Not a directory");
  const std::string missing = folder.file("gone") + "/a.h5";
  expect_error(missing, "No such file or directory");
  EXPECT_EQ(test::read_bytes(folder.file("file")), "text");
}

}  // namespace
}  // namespace bsq
