#pragma once

#include <string>

namespace bsq::cli {

/// Widths of plots, pixels: of the layout for pages and files, and of the one for phones.
constexpr int kWide = 960, kNarrow = 340;

/// A text as gnuplot's string.
std::string quoted(const std::string& text);
/// The layer that a tensor belongs to: without ".weight".
std::string short_name(const std::string& tensor);
/// The name of the plot that shows `what` of the point with that index.
std::string point_plot(size_t index, const std::string& what);

}  // namespace bsq::cli
