#pragma once

#include <string>
#include <vector>

#include "tools/report/collection.h"
#include "tools/report/plot_set.h"

namespace bsq::cli {

/// The page: one HTML text that needs nothing else. `plots` are rendered. With `refresh_seconds` above 0 a
/// browser reads it again and again.
std::string page_of(const Collection& all, const PlotSet& plots, int refresh_seconds);

/// The page's own style and script.
extern const char* const kPageStyle;
extern const char* const kPageScript;

}  // namespace bsq::cli
