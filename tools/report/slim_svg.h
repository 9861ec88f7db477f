#pragma once

#include <string>

namespace bsq::cli {

/// The attributes that gnuplot repeats in every group; they belong on the <svg> that the text is put in.
extern const char* const kSvgDefaults;

/// The inside of one of gnuplot's SVGs, an element a line, in fewer bytes and with the same look: without the
/// attributes of kSvgDefaults and without its unused filters and colourless background, and neighbouring
/// polygons of one style as one path.
std::string slim_svg(const std::string& text);

}  // namespace bsq::cli
