#pragma once

#include <string>

namespace bsq::cli {

/// Colours by name, written @name@ in plot scripts: `fg`, `muted`, `line` (axes), `grid`, `accent`, c1 to
/// c10 (series), b0 to b8 (a scale from nothing to full) and t0 to t8 (text on it).
constexpr int kSeriesColors = 10;
constexpr int kScaleColors = 9;

/// A plot script for files that stand alone: names become colours for light paper.
std::string with_light_colors(const std::string& script);
/// A plot script for the page: names become marks that to_css_variables() finds in what gnuplot writes.
std::string with_marked_colors(const std::string& script);
/// gnuplot's SVG with every mark replaced by var(--name).
std::string to_css_variables(const std::string& svg);
/// `--fg:#1f2328;...`, for the page's style.
std::string css_variables(bool is_dark);

}  // namespace bsq::cli
