#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bsq/infer/kernels.h"
#include "bsq/infer/plan.h"
#include "bsq/infer/stored_model.h"

namespace bsq::infer {

/// A network ready to run, without libtorch. Safe to use from several threads at once.
class Engine {
 public:
  /// Reads a model file and prepares its program. `program`: the JSON of a file that holds none (""
  /// elsewhere). Throws bsq::Error for a file that is not sound, for one without a program, and for what the
  /// engine does not compute.
  explicit Engine(const std::string& path, const std::string& program = "");
  /// The same of what was read already. `kernels`: for tests and measurements.
  Engine(StoredModel model, const std::string& program, const Kernels& kernels = best_kernels());
  /// A plan of one's own, for tests of kernels.
  explicit Engine(Plan plan, const Kernels& kernels = best_kernels());
  ~Engine();
  Engine(const Engine&) = delete;

  /// The file without its tensors.
  const StoredModel& about() const { return about_; }
  const Plan& plan() const { return plan_; }
  /// Channels, height and width of an image.
  int64_t channels() const { return plan_.values[0].channels; }
  int64_t height() const { return plan_.values[0].height; }
  int64_t width() const { return plan_.values[0].width; }
  int64_t classes() const { return plan_.values[static_cast<size_t>(plan_.output)].channels; }

  /// Images (count, channels, height, width), normalized, to logits (count, classes). Several images are
  /// computed side by side by up to `threads` threads; one image by all of them, row by row. Throws
  /// std::invalid_argument for less than 1 thread or a negative count.
  void run(const float* images, int64_t count, float* logits, int threads = 1) const;
  /// The same of uint8 images, which are normalized as the file says: (x / 255 - mean) / std. Throws
  /// bsq::Error where images have other than three channels.
  void run(const uint8_t* images, int64_t count, float* logits, int threads = 1) const;

  /// One line a step: path, how it is computed, shape, and the least microseconds of some runs of one image
  /// on one thread.
  std::string profile(const float* image) const;

 private:
  struct Prepared;
  class Workspace;

  template <typename Fill>
  void run_all(int64_t count, float* logits, int threads, const Fill& fill) const;

  StoredModel about_;
  Plan plan_;
  std::unique_ptr<Prepared> prepared_;
};

}  // namespace bsq::infer
