#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

namespace bsq {

/// A TensorBoard event file: TFRecords of Event messages. The five messages that are needed are encoded here:
/// the protobuf library would clash with the copy of it that libtorch carries.
class EventFile {
 public:
  /// Makes events.out.tfevents.TIME.HOST.PID in the folder. A run that is resumed gives the step that it goes
  /// on from: what earlier files hold from there on no longer counts. Throws bsq::Error.
  EventFile(const std::string& folder, int64_t first_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  void add_scalar(const std::string& tag, int64_t step, double value);
  /// The distribution of a tensor's values in 64 equal buckets.
  void add_histogram(const std::string& tag, int64_t step, const torch::Tensor& values);
  /// Writes what was added, all or nothing. A file that somebody removed is begun anew. Throws bsq::Error
  /// with the path, the reason and the bytes needed where it cannot be written; the next flush() tries again.
  void flush();
  /// Whether all that was added is written.
  bool is_flushed() const { return pending_.empty(); }

 private:
  void add(const std::string& event);
  void open();

  std::string path_;
  std::string pending_;
  int64_t length_ = 0;  // of the file, whole records
  int descriptor_ = -1;
};

}  // namespace bsq
