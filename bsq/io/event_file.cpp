#include "bsq/io/event_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <iomanip>
#include <sstream>

#include "bsq/base/error.h"
#include "bsq/io/crc32c.h"

namespace bsq {
namespace {

constexpr int64_t kBuckets = 64;
constexpr uint32_t kCrcMask = 0xa282ead8;
constexpr uint64_t kSessionStart = 1;

template <typename T>
std::string little_endian(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) {
    bytes += static_cast<char>(value | 0x80);
  }
  return bytes + static_cast<char>(value);
}

// Protobuf's wire types: 0 varint, 1 eight bytes, 2 counted bytes, 5 four bytes.
std::string key(uint64_t field, uint64_t wire_type) { return varint(field << 3 | wire_type); }
std::string integer(uint64_t field, uint64_t value) { return key(field, 0) + varint(value); }
std::string real(uint64_t field, double value) { return key(field, 1) + little_endian(value); }
std::string real(uint64_t field, float value) { return key(field, 5) + little_endian(value); }
std::string bytes(uint64_t field, const std::string& value) {
  return key(field, 2) + varint(value.size()) + value;
}

std::string packed(uint64_t field, const torch::Tensor& values) {
  std::string all;
  for (int64_t i = 0; i < values.numel(); ++i) {
    all += little_endian(values[i].item<double>());
  }
  return bytes(field, all);
}

// Event: wall_time 1, step 2, and one of file_version 3, summary 5, session_log 7.
std::string event(int64_t step, const std::string& what) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return real(1, std::chrono::duration<double>(now).count()) + integer(2, static_cast<uint64_t>(step)) + what;
}

// Summary: value 1; Value: tag 1, then simple_value 2 or histo 5.
std::string summary(const std::string& tag, const std::string& value) {
  return bytes(5, bytes(1, bytes(1, tag) + value));
}

// HistogramProto: min 1, max 2, num 3, sum 4, sum_squares 5, bucket_limit 6, bucket 7.
std::string histogram_message(const torch::Tensor& tensor) {
  const auto values = tensor.detach().to(torch::kCPU, torch::kFloat64).flatten();
  const double low = values.min().item<double>();
  const double high = values.max().item<double>();
  const auto counts = low < high ? torch::histc(values, kBuckets, low, high)
                                 : torch::full({1}, static_cast<double>(values.numel()), torch::kFloat64);
  const auto limits = low < high ? torch::linspace(low, high, kBuckets + 1, torch::kFloat64).slice(0, 1)
                                 : torch::full({1}, high, torch::kFloat64);
  return real(1, low) + real(2, high) + real(3, static_cast<double>(values.numel())) +
         real(4, values.sum().item<double>()) + real(5, values.square().sum().item<double>()) +
         packed(6, limits) + packed(7, counts);
}

// A TFRecord: length, its checksum, the data, their checksum.
std::string record(const std::string& data) {
  const auto masked = [](const std::string& text) {
    const uint32_t crc = crc32c(text);
    return little_endian((crc >> 15 | crc << 17) + kCrcMask);
  };
  const auto length = little_endian(static_cast<uint64_t>(data.size()));
  return length + masked(length) + data + masked(data);
}

std::string file_name() {
  char host[256] = "host";
  gethostname(host, sizeof host - 1);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::ostringstream name;
  name << "events.out.tfevents." << std::setw(10) << std::setfill('0')
       << std::chrono::duration_cast<std::chrono::seconds>(now).count() << "." << host << "." << getpid();
  return name.str();
}

std::string header() { return record(event(0, bytes(3, "brain.Event:2"))); }

bool is_removed(int descriptor) {
  struct stat status;
  return ::fstat(descriptor, &status) == 0 && status.st_nlink == 0;
}

// The errno of writing bytes behind the first `length` of a file; where it is not 0 the file ends there
// again.
int append(int descriptor, int64_t length, const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const auto at = length + static_cast<int64_t>(done);
    const ssize_t written = ::pwrite(descriptor, bytes.data() + done, bytes.size() - done, at);
    if (written < 0 && errno != EINTR) {
      const int error = errno;
      return ::ftruncate(descriptor, length) == 0 ? error : errno;
    }
    done += written < 0 ? 0 : static_cast<size_t>(written);
  }
  return 0;
}

}  // namespace

EventFile::EventFile(const std::string& folder, int64_t first_step) : path_(folder + "/" + file_name()) {
  pending_ = header();
  if (first_step > 0) {
    add(event(first_step, bytes(7, integer(1, kSessionStart))));
  }
  flush();
}

EventFile::~EventFile() {
  if (descriptor_ >= 0) {
    append(descriptor_, length_, pending_);
    ::close(descriptor_);
  }
}

void EventFile::open() {
  if (descriptor_ >= 0 && is_removed(descriptor_)) {
    ::close(descriptor_);
    descriptor_ = -1;
    pending_.insert(0, header());
  }
  if (descriptor_ < 0) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    length_ = 0;
  }
}

void EventFile::add_scalar(const std::string& tag, int64_t step, double value) {
  add(event(step, summary(tag, real(2, static_cast<float>(value)))));
}

void EventFile::add_histogram(const std::string& tag, int64_t step, const torch::Tensor& values) {
  if (values.numel() > 0) {
    add(event(step, summary(tag, bytes(5, histogram_message(values)))));
  }
}

void EventFile::add(const std::string& event) { pending_ += record(event); }

void EventFile::flush() {
  open();
  const int error = descriptor_ < 0 ? errno : append(descriptor_, length_, pending_);
  if (error != 0) {
    throw Error("cannot write " + path_ + ": " + std::strerror(error) + " (" +
                std::to_string(pending_.size()) + " bytes needed)");
  }
  length_ += static_cast<int64_t>(pending_.size());
  pending_.clear();
}

}  // namespace bsq
