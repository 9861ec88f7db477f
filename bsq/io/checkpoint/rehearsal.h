#pragma once

#include <functional>
#include <string>

namespace bsq {

/// Tries `read` on a file in a child process, whose memory is a copy of ours, before it is done here: the
/// HDF5 library crashes on some malformed files, or loops. Throws bsq::Error "PATH: ..." where the child
/// crashes or takes longer than a file of this size can; what `read` throws is left for the reading that
/// follows. Where no child can be started it does nothing.
void rehearse(const std::string& path, const std::function<void()>& read);

}  // namespace bsq
