#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace bsq {

/// A TensorBoard event file: TFRecords of Event messages. The five messages that are needed are encoded here:
/// the protobuf library would clash with the copy of it that libtorch carries.
class EventFile {
 public:
  /// Makes events.out.tfevents.TIME.HOST.PID in the folder. A run that is resumed gives the step that it goes
  /// on from: what earlier files hold from there on no longer counts. Throws bsq::Error.
  EventFile(const std::string& folder, int64_t first_step);

  void add_scalar(const std::string& tag, int64_t step, double value);
  /// The distribution of a tensor's values in 64 equal buckets.
  void add_histogram(const std::string& tag, int64_t step, const torch::Tensor& values);
  /// So that TensorBoard sees what was added. Throws bsq::Error where it cannot be written.
  void flush();

 private:
  void write(const std::string& event);

  std::string path_;
  std::ofstream out_;
};

}  // namespace bsq
