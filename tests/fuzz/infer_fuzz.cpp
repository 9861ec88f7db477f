#include <algorithm>
#include <string>
#include <vector>

#include "bsq/base/error.h"
#include "bsq/infer/engine.h"
#include "bsq/infer/graph.h"
#include "tests/fuzz/fuzz_file.h"

namespace {

// What can be computed in a moment is computed.
constexpr double kMostWork = 1e6;

double work_of(const bsq::infer::Plan& plan) {
  double work = 0;
  for (const auto& step : plan.steps) {
    const auto& out = plan.values[static_cast<size_t>(step.output)];
    const auto& in = plan.values[static_cast<size_t>(step.inputs[0])];
    work += static_cast<double>(out.numel()) * static_cast<double>(step.kernel * step.kernel) *
            static_cast<double>(in.channels);
  }
  return work;
}

void run(const bsq::infer::Engine& engine) {
  if (work_of(engine.plan()) > kMostWork) {
    return;
  }
  const std::vector<float> image(static_cast<size_t>(engine.plan().values[0].numel()), 0.5F);
  std::vector<float> logits(static_cast<size_t>(engine.classes()));
  engine.run(image.data(), 1, logits.data());
}

// The tensors that programs of the corpus speak of.
bsq::infer::StoredModel model_of_programs() {
  bsq::infer::StoredModel model;
  model.path = "program";
  model.classes = 2;
  model.codes["a.weight"] = {{4, 3, 3, 3}, std::vector<int32_t>(108, 3), {0.1F}, {}, 7, 3};
  model.codes["b.weight"] = {{4, 4, 3, 3}, std::vector<int32_t>(144, -2), {0.1F}, {}, 7, 3};
  model.codes["d.weight"] = {{4, 1, 3, 3}, std::vector<int32_t>(36, 1), {0.1F}, {}, 7, 3};
  model.arrays["c.weight"] = {{2, 4}, std::vector<float>(8, 0.5F)};
  model.arrays["c.bias"] = {{2}, std::vector<float>(2, 0.5F)};
  for (const char* part : {"weight", "bias", "running_mean", "running_var"}) {
    model.arrays[std::string("n.") + part] = {{4}, std::vector<float>(4, 0.5F)};
  }
  return model;
}

}  // namespace

// A model file for the engine, or, where it begins as JSON does, a program for a fixed set of tensors.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static const bsq::fuzz::FuzzFile file;
  try {
    if (bytes > 0 && data[0] == '{') {
      run(bsq::infer::Engine(model_of_programs(), std::string(data, data + bytes)));
    } else {
      file.fill(data, bytes);
      run(bsq::infer::Engine(file.path()));
    }
  } catch (const bsq::Error& error) {
    bsq::fuzz::require_one_line(error.what());
  }
  return 0;
}
