#pragma once

#include <string>
#include <vector>

namespace bsq {

/// What differs between two checkpoint files, byte by byte: datasets ("/network/conv1.weight") and attributes
/// ("/training learning_rate") that only one of them has or whose type, shape or content differ. Left out are
/// the run's configuration, which names folders, and what the clock says in the tables of /training. Throws
/// bsq::Error for a file that cannot be read.
std::vector<std::string> checkpoint_differences(const std::string& path, const std::string& other);

}  // namespace bsq
