#pragma once

#include <map>
#include <string>
#include <vector>

namespace bsq::cli {

struct PlotSize {
  int width, height;  ///< pixels
};

/// One plot in two layouts: for wide pages and files, and for a phone. The scripts are gnuplot's, colours by
/// palette.h's names, without terminal and output.
struct Plot {
  std::string name;  ///< of its files
  std::string title;
  PlotSize wide_size, narrow_size;
  std::string wide, narrow;
};

/// A text that is safe inside gnuplot's double quotes.
std::string plot_text(const std::string& text);

/// Draws plots with one run of gnuplot.
class PlotSet {
 public:
  void add(Plot plot) { plots_.push_back(std::move(plot)); }
  bool has(const std::string& name) const;

  /// Writes NAME.svg and NAME.png for every plot into a folder, which it makes. Throws bsq::Error where
  /// gnuplot is missing or fails.
  void render(const std::string& folder);

  /// After render(): the figure for the page, both layouts; "" for a plot that the set does not have.
  std::string figure(const std::string& name, const std::string& caption) const;

 private:
  std::string inline_svg(const std::string& file, const std::string& id, const Plot& plot) const;

  std::vector<Plot> plots_;
  std::map<std::string, std::string> figures_;  ///< both layouts, without the caption
};

}  // namespace bsq::cli
