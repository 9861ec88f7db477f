#include "tools/cli/run_folder.h"

#include "bsq/io/atomic_file.h"
#include "tools/cli/ranks.h"

namespace bsq::cli {

RunFolder::RunFolder(const OutputFlags& flags)
    : folder_(flags.folder), configuration_(flags.configuration), is_writer_(is_first_rank()) {
  take();
}

void RunFolder::take() {
  if (!is_writer_) {
    return;
  }
  make_folders(folder_);
  lock_ = std::make_unique<FolderLock>(folder_);
  remove_temporaries(folder_);
}

bool RunFolder::restore() {
  if (!is_writer_ || (lock_ && lock_->is_held())) {
    return false;
  }
  lock_.reset();
  take();
  return true;
}

void RunFolder::write_text(const std::string& name, const std::string& text) const {
  if (is_writer_) {
    write_bytes_atomically(file(name), {text});
  }
}

void RunFolder::write(const std::string& name, Checkpoint checkpoint) const {
  if (is_writer_) {
    checkpoint.configuration = configuration_;
    write_checkpoint(file(name), checkpoint);
  }
}

void RunFolder::write_resumable(Checkpoint checkpoint) const {
  if (is_writer_) {
    checkpoint.configuration = configuration_;
    write_checkpoint(file("checkpoint.h5"), checkpoint, file("checkpoint.prev.h5"));
  }
}

}  // namespace bsq::cli
