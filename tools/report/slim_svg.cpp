#include "tools/report/slim_svg.h"

#include <sstream>

namespace bsq::cli {
namespace {

constexpr const char* kGroupDefaults =
    " color=\"black\" stroke=\"currentColor\" stroke-width=\"1.00\" stroke-linecap=\"butt\" "
    "stroke-linejoin=\"miter\"";
constexpr const char* kFont = " font-family=\"sans-serif\"";
constexpr const char* kBackground = "<rect x=\"0\" y=\"0\" ";  // of no colour
constexpr const char* kPolygon = "<polygon ";
constexpr const char* kPoints = "points = '";

bool begins(const std::string& line, const std::string& start) { return line.rfind(start, 0) == 0; }

void erase_all(std::string& text, const std::string& part) {
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at)) {
    text.erase(at, part.size());
  }
}

// "fill = 'red' " of "<polygon fill = 'red' points = '...'/>".
std::string style_of(const std::string& polygon) {
  const auto start = std::string(kPolygon).size();
  return polygon.substr(start, polygon.find(kPoints) - start);
}

// "M0,0 1,0 1,1 z"
std::string outline_of(const std::string& polygon) {
  const auto start = polygon.find(kPoints) + std::string(kPoints).size();
  return "M" + polygon.substr(start, polygon.find('\'', start) - start) + "z";
}

}  // namespace

const char* const kSvgDefaults =
    " color=\"black\" stroke=\"currentColor\" stroke-width=\"1\" stroke-linecap=\"butt\" "
    "stroke-linejoin=\"miter\" "
    "font-family=\"sans-serif\"";

std::string slim_svg(const std::string& text) {
  std::istringstream in(text);
  std::string slim, style;
  bool is_in_filter = false;
  for (std::string line; std::getline(in, line);) {
    is_in_filter = is_in_filter || begins(line, "<filter");
    const bool is_polygon = begins(line, kPolygon) && line.find(kPoints) != std::string::npos;
    if (!style.empty() && !(is_polygon && style_of(line) == style)) {
      slim += "'/>\n";
      style.clear();
    }
    if (is_polygon) {
      slim += style.empty() ? "<path " + style_of(line) + "d='" + outline_of(line) : outline_of(line);
      style = style_of(line);
    } else if (!is_in_filter && !begins(line, kBackground)) {
      slim += line + "\n";
    }
    is_in_filter = is_in_filter && !begins(line, "</filter>");
  }
  slim += style.empty() ? "" : "'/>\n";
  erase_all(slim, kGroupDefaults);
  erase_all(slim, kFont);
  return slim;
}

}  // namespace bsq::cli
