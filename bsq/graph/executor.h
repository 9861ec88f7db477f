#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "bsq/graph/program.h"

namespace bsq {

struct ExecutorStep;

/// Runs a program on the modules that it holds. What can be fused is: a batch norm, the sum with a residual
/// and the activation behind it are one operation, and a value of several readers takes their gradients back
/// in one pass (norm_fork.h). All of that is decided once, by the constructor.
///
/// run() writes no member of the executor. Two threads may run one program, as far as its modules allow: in
/// training, batch norms and activations track.
class Executor {
 public:
  /// Throws std::invalid_argument for a program that was recorded without modules.
  explicit Executor(const Program& program);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Images (B, channels, height, width) to logits (B, classes). A global average pool gives float64 of
  /// float64 and float32 of any other type; all else computes in its input's type.
  torch::Tensor run(const torch::Tensor& images) const;

 private:
  std::vector<ExecutorStep> steps_;
  size_t values_ = 0;
  size_t output_ = 0;
};

}  // namespace bsq
