#include "tools/cli/notice.h"

#include <iostream>

#include "bsq/base/shown_text.h"

namespace bsq::cli {

void notice(const std::string& text) { std::cerr << shown_text(text) << std::endl; }

}  // namespace bsq::cli
