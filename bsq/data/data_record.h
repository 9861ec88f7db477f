#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bsq/data/dataset.h"

namespace bsq {

/// What a file keeps of the images that its network was trained on.
struct DataRecord {
  std::vector<std::string> class_names;            ///< in the order of the labels; empty: not known
  int64_t train = -1, validation = -1, test = -1;  ///< images; -1: not known
  std::optional<Normalization> normalization;      ///< nothing: not known
  /// Where pictures of any size became images of one: its side, and that to which they were resized before
  /// their middle was cut out; 0: they had one size.
  int64_t image_size = 0, resize = 0;
};

/// A network's outputs mean the classes that it was trained on. Throws bsq::Error that names the folder where
/// a model file and a data set name as many classes and one of them differs.
void check_class_names(const std::string& folder, const std::vector<std::string>& stored,
                       const std::vector<std::string>& found);

}  // namespace bsq
