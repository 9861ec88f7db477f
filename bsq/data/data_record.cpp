#include "bsq/data/data_record.h"

#include "bsq/base/error.h"

namespace bsq {

void check_class_names(const std::string& folder, const std::vector<std::string>& stored,
                       const std::vector<std::string>& found) {
  if (stored.size() != found.size()) {
    return;
  }
  for (size_t i = 0; i < found.size(); ++i) {
    if (stored[i] != found[i]) {
      throw Error(folder + ": class " + std::to_string(i) + " is '" + found[i] + "'; expected '" + stored[i] +
                  "', as the model file has it");
    }
  }
}

}  // namespace bsq
