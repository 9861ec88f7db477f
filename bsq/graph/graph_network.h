#pragma once

#include <torch/types.h>

#include "bsq/graph/builder.h"
#include "bsq/graph/executor.h"
#include "bsq/graph/program.h"
#include "bsq/nn/network.h"

namespace bsq {

/// A network that is written with the builder: its forward() runs its program.
class GraphNetwork : public Network {
 public:
  /// Throws std::invalid_argument for what the flow or the builder refuses.
  GraphNetwork(const NetworkDescription& description, const Flow& flow)
      : Network(description), program_(record(description, flow, /*root=*/this)), executor_(program_) {}

  torch::Tensor forward(const torch::Tensor& images) override { return executor_.run(images); }
  const Program* program() const override { return &program_; }

 private:
  Program program_;
  Executor executor_;
};

}  // namespace bsq
