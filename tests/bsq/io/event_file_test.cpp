#include "bsq/io/event_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "bsq/base/error.h"
#include "bsq/io/crc32c.h"
#include "tests/bsq/io/file_size_limit.h"
#include "tests/support.h"

namespace bsq {
namespace {

template <typename T>
T number_at(const std::string& bytes, size_t at) {
  T value{};
  EXPECT_LE(at + sizeof value, bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// A TFRecord file's records, their checksums checked.
std::vector<std::string> records_in(const std::string& file) {
  const auto masked = [](const std::string& text) {
    const uint32_t crc = crc32c(text);
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
  };
  const auto bytes = test::read_bytes(file);
  std::vector<std::string> records;
  for (size_t at = 0; at < bytes.size();) {
    const auto length = number_at<uint64_t>(bytes, at);
    EXPECT_EQ(number_at<uint32_t>(bytes, at + 8), masked(bytes.substr(at, 8)));
    records.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(number_at<uint32_t>(bytes, at + 12 + length), masked(records.back()));
    at += 16 + length;
  }
  return records;
}

struct Field {
  uint64_t number, wire;
  uint64_t integer = 0;
  std::string bytes;  ///< the payload of every wire type but 0
};

uint64_t varint_at(const std::string& bytes, size_t* at) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.at((*at)++));
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
}

// A plain reader of protobuf's wire format.
std::vector<Field> fields_of(const std::string& message) {
  std::vector<Field> fields;
  for (size_t at = 0; at < message.size();) {
    const auto key = varint_at(message, &at);
    Field field{key >> 3, key & 7, 0, ""};
    if (field.wire == 0) {
      field.integer = varint_at(message, &at);
    } else {
      const size_t length = field.wire == 1 ? 8 : field.wire == 5 ? 4 : varint_at(message, &at);
      field.bytes = message.substr(at, length);
      at += length;
    }
    fields.push_back(field);
  }
  return fields;
}

const Field& field(const std::vector<Field>& fields, uint64_t number) {
  for (const auto& found : fields) {
    if (found.number == number) {
      return found;
    }
  }
  throw std::runtime_error("no field " + std::to_string(number));
}

std::string only_file(const std::string& folder) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    EXPECT_EQ(found, "");
    found = entry.path().string();
  }
  EXPECT_NE(found.find("/events.out.tfevents."), std::string::npos) << found;
  return found;
}

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(EventFile, ScalarsAreSummaries) {
  const test::TemporaryFolder folder;
  EventFile(folder.path().string(), 0).add_scalar("loss/train", 300, 0.25);
  const auto records = records_in(only_file(folder.path().string()));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(field(fields_of(records[0]), 3).bytes, "brain.Event:2");
  const auto event = fields_of(records[1]);
  EXPECT_GT(number_at<double>(field(event, 1).bytes, 0), 1.6e9);
  EXPECT_EQ(field(event, 2).integer, 300U);
  const auto value = fields_of(field(fields_of(field(event, 5).bytes), 1).bytes);
  EXPECT_EQ(field(value, 1).bytes, "loss/train");
  EXPECT_EQ(number_at<float>(field(value, 2).bytes, 0), 0.25F);
}

TEST(EventFile, HistogramsCountEveryValue) {
  const test::TemporaryFolder folder;
  const auto values = torch::randn({20, 30});
  EventFile file(folder.path().string(), 0);
  file.add_histogram("w", 1, values);
  file.add_histogram("zero", 1, torch::zeros({5}));
  file.flush();
  const auto records = records_in(only_file(folder.path().string()));
  ASSERT_EQ(records.size(), 3U);
  for (const size_t i : {1, 2}) {
    const auto value = fields_of(field(fields_of(field(fields_of(records[i]), 5).bytes), 1).bytes);
    const auto histogram = fields_of(field(value, 5).bytes);
    const auto& counts = field(histogram, 7).bytes;
    const auto& limits = field(histogram, 6).bytes;
    ASSERT_EQ(counts.size(), limits.size());
    double sum = 0;
    for (size_t at = 0; at < counts.size(); at += 8) {
      sum += number_at<double>(counts, at);
    }
    EXPECT_EQ(sum, number_at<double>(field(histogram, 3).bytes, 0));
    EXPECT_EQ(sum, i == 1 ? 600 : 5);
    EXPECT_EQ(number_at<double>(limits, limits.size() - 8), number_at<double>(field(histogram, 2).bytes, 0));
    if (i == 1) {
      EXPECT_NEAR(number_at<double>(field(histogram, 4).bytes, 0), values.sum().item<double>(), 1e-3);
    }
  }
}

TEST(EventFile, AResumedRunSaysFromWhere) {
  const test::TemporaryFolder folder;
  EventFile(folder.path().string(), 7).flush();
  const auto records = records_in(only_file(folder.path().string()));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(field(fields_of(records[1]), 2).integer, 7U);
  EXPECT_EQ(field(fields_of(field(fields_of(records[1]), 7).bytes), 1).integer, 1U);
}

TEST(EventFile, WhatAFullDiskRefusedComesWithTheNext) {
  const test::TemporaryFolder folder;
  EventFile file(folder.path().string(), 0);
  const auto path = only_file(folder.path().string());
  {
    const test::FileSizeLimit limit(100);
    file.add_histogram("w", 1, torch::randn({100}));
    try {
      file.flush();
      ADD_FAILURE() << "was written";
    } catch (const Error& error) {
      const std::string what = error.what();
      EXPECT_EQ(what.find("cannot write " + path + ": File too large ("), 0U) << what;
      EXPECT_NE(what.find(" bytes needed)"), std::string::npos) << what;
    }
    EXPECT_FALSE(file.is_flushed());
    EXPECT_EQ(records_in(path).size(), 1U) << "no torn record";
  }
  file.add_scalar("x", 2, 1);
  file.flush();
  EXPECT_TRUE(file.is_flushed());
  EXPECT_EQ(records_in(path).size(), 3U);
}

TEST(EventFile, OneThatIsRemovedIsBegunAnew) {
  const test::TemporaryFolder folder;
  EventFile file(folder.path().string(), 0);
  std::filesystem::remove(only_file(folder.path().string()));
  file.add_scalar("x", 2, 1);
  file.flush();
  const auto records = records_in(only_file(folder.path().string()));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(field(fields_of(records[0]), 3).bytes, "brain.Event:2");
}

TEST(EventFile, AFolderThatIsNotThereIsAnError) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(EventFile(folder.file("none"), 0), Error);
}

}  // namespace
}  // namespace bsq
