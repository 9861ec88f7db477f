#include <fstream>
#include <random>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "tests/bsq/io/checkpoint/checkpoint_samples.h"
#include "tests/support.h"

namespace bsq {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

/// The most memory that this process has had in use, in bytes.
int64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes << 10;
  }
  ADD_FAILURE() << "no VmHWM in /proc/self/status";
  return 0;
}

/// Whatever damage has been done to it, a file gives the checkpoint that was written or one line of an Error.
class Damage : public testing::TestWithParam<Checkpoint (*)()> {
 protected:
  Damage() : written_(GetParam()()) {
    write_checkpoint(path_, written_);
    honest_ = test::read_bytes(path_);
    test::expect_same(written_, read_checkpoint(path_));
    peak_ = peak_memory();
  }
  ~Damage() override { EXPECT_LE(peak_memory() - peak_, 256 * kMiB); }

  /// Whether the damaged file was refused.
  bool is_refused(const std::string& bytes) {
    test::write_bytes(path_, bytes);
    try {
      test::expect_same(written_, read_checkpoint(path_));
      return false;
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find(path_), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      return true;
    }
  }

  const test::TemporaryFolder folder_;
  const std::string path_ = folder_.file("a.h5");
  const Checkpoint written_;
  std::string honest_;
  int64_t peak_ = 0;
};

TEST_P(Damage, CutAtTwoHundredPlaces) {
  for (size_t i = 0; i < 200; ++i) {
    EXPECT_TRUE(is_refused(honest_.substr(0, honest_.size() * i / 200))) << i << " of 200 parts";
  }
  EXPECT_TRUE(is_refused(honest_.substr(0, honest_.size() - 1)));
}

TEST_P(Damage, TwoThousandFlippedBits) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const size_t bit = random() % (8 * honest_.size());
    std::string flipped = honest_;
    flipped[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_TRUE(is_refused(flipped)) << "bit " << bit;
  }
}

TEST_P(Damage, PiecesOverwrittenMovedAndDoubled) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 200; ++i) {
    std::string bytes = honest_;
    const size_t from = random() % bytes.size();
    const size_t to = random() % bytes.size();
    const size_t length = 1 + random() % 4096;
    if (i % 3 == 0) bytes.replace(to, length, std::string(length, '\0'));
    if (i % 3 == 1) bytes.replace(to, length, honest_.substr(from, length));
    if (i % 3 == 2) bytes.insert(to, honest_.substr(from, length));
    EXPECT_EQ(is_refused(bytes), bytes != honest_);
  }
}

std::string kind_name(const testing::TestParamInfo<Checkpoint (*)()>& parameter) {
  const char* const names[] = {"Small", "Frozen", "ResNet20"};
  return names[parameter.index];
}

INSTANTIATE_TEST_SUITE_P(Kinds, Damage,
                         testing::Values(&test::small_checkpoint, &test::frozen_checkpoint,
                                         &test::resnet20_checkpoint),
                         kind_name);

}  // namespace
}  // namespace bsq
