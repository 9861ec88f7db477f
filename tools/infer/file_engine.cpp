#include "tools/infer/file_engine.h"

#include <utility>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/checkpoint/program_text.h"
#include "tools/cli/stored_network.h"

namespace bsq::cli {

infer::Engine engine_of(const std::string& path) {
  auto model = infer::read_model(path);
  if (!model.program.empty()) {
    return {std::move(model), ""};
  }
  const auto program = program_text(*stored_network(path, read_checkpoint(path)));
  if (program.empty()) {
    throw Error(path + ": its forward pass is written by hand: nobody knows how it computes");
  }
  return {std::move(model), program};
}

}  // namespace bsq::cli
