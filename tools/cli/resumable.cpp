#include "tools/cli/resumable.h"

#include "bsq/base/error.h"
#include "bsq/io/text_file.h"

namespace bsq::cli {

bool holds_state(const std::string& folder) {
  return is_there(folder + "/checkpoint.h5") || is_there(folder + "/checkpoint.prev.h5");
}

Resumable read_resumable(const std::string& folder, FileOrigin origin) {
  const auto path = folder + "/checkpoint.h5";
  try {
    return {read_checkpoint(path, origin), path, ""};
  } catch (const Error& error) {
    const auto previous = folder + "/checkpoint.prev.h5";
    if (!is_there(previous)) {
      throw;
    }
    try {
      return {read_checkpoint(previous, origin), previous,
              std::string(error.what()) + "; going on from the one before, " + previous};
    } catch (const Error& second) {
      throw Error(error.what() + std::string("; nor the one before: ") + second.what());
    }
  }
}

Resumable read_interrupted(const std::string& folder) {
  auto found = read_resumable(folder, FileOrigin::kOwnRun);
  if (!found.file.training) {
    throw Error(found.path + ": holds no training state; expected the checkpoint of a training run");
  }
  if (!found.file.training->network.empty()) {
    found.file.network = found.file.training->network;
  }
  return found;
}

}  // namespace bsq::cli
