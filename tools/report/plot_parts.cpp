#include "tools/report/plot_parts.h"

#include "tools/report/plot_set.h"

namespace bsq::cli {

std::string quoted(const std::string& text) { return "\"" + plot_text(text) + "\""; }

std::string short_name(const std::string& tensor) {
  const std::string suffix = ".weight";
  return tensor.size() > suffix.size() && tensor.substr(tensor.size() - suffix.size()) == suffix
             ? tensor.substr(0, tensor.size() - suffix.size())
             : tensor;
}

std::string point_plot(size_t index, const std::string& what) {
  return "model" + std::to_string(index + 1) + "-" + what;
}

}  // namespace bsq::cli
