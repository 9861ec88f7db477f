#include "tools/report/text_file.h"

#include <fstream>
#include <sstream>

namespace bsq::cli {

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace bsq::cli
