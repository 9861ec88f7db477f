#include "tools/report/html_text.h"

#include <cmath>
#include <iomanip>
#include <sstream>

namespace bsq::cli {

std::string html_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string html_number(double value, int decimals) {
  if (!std::isfinite(value)) {
    return "–";
  }
  std::ostringstream text;
  text << std::fixed << std::setprecision(decimals) << value;
  return text.str();
}

}  // namespace bsq::cli
