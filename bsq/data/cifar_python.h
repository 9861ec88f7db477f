#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bsq {

/// Images of one file of CIFAR's Python version.
struct CifarBatch {
  std::string pixels;           ///< 3072 bytes each: red, green, blue, each 32 rows of 32
  std::vector<int64_t> labels;  ///< as many, each in [0, classes)
};

/// Reads such a file: a pickle of a dict whose `data` is a numpy array of uint8 (N, 3072) and whose
/// `label_key` ("labels" or "fine_labels") is a list of N labels. No Python runs (bsq/pickle). Throws
/// bsq::Error for anything else.
CifarBatch read_cifar_batch(const std::string& file, const std::string& label_key, int64_t classes);

/// The list of texts of this name in such a file ("label_names" of batches.meta). Throws bsq::Error as above.
std::vector<std::string> read_cifar_names(const std::string& file, const std::string& key);

}  // namespace bsq
