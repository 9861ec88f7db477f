#include "tools/cli/run_folder.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bsq/error.h"
#include "bsq/io/atomic_file.h"

namespace bsq::cli {
namespace fs = std::filesystem;

RunFolder::RunFolder(const OutputFlags& flags) : folder_(flags.folder), configuration_(flags.configuration) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (!fs::is_directory(folder_)) {
    throw Error(folder_ + ": cannot be made; expected a folder to write to");
  }
  const auto probe = file(".write-test." + std::to_string(getpid()));
  const bool can_write = std::ofstream(probe).put('\n').good();
  fs::remove(probe, error);
  if (!can_write) {
    throw Error(folder_ + ": cannot be written to; expected a folder with write permission");
  }
}

void RunFolder::write_text(const std::string& name, const std::string& text) const {
  write_atomically(file(name), [&](const std::string& temporary) {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) {
      throw Error("cannot write " + file(name));
    }
  });
}

void RunFolder::write(const std::string& name, Checkpoint checkpoint) const {
  checkpoint.configuration = configuration_;
  write_checkpoint(file(name), checkpoint);
}

}  // namespace bsq::cli
