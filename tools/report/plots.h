#pragma once

#include <string>
#include <vector>

#include "tools/report/collection.h"
#include "tools/report/plot_set.h"

namespace bsq::cli {

/// Plots over all points: front-comp, front-comp_stored, bits, and a curve-NAME for each of kCurves that a
/// run has. What has no data is left out.
void add_overview_plots(PlotSet& plots, const std::vector<ReportPoint>& points);
/// Plots of one point: NAME-time, NAME-planes, NAME-weights, by its index.
void add_point_plots(PlotSet& plots, const ReportPoint& point, size_t index);

/// A column of the history that is drawn over the epochs.
struct Curve {
  const char* name;  ///< of the plot
  const char* column;
  const char* label;
};
constexpr Curve kCurves[] = {{"curve-accuracy", "Valid Acc.", "validation top-1, %"},
                             {"curve-train-loss", "Train Loss", "training loss (cross entropy)"},
                             {"curve-valid-loss", "Valid Loss", "validation loss (cross entropy)"},
                             {"curve-penalty", "Reg Loss", "penalty, without alpha"},
                             {"curve-comp", "Comp", "comp, x"}};

}  // namespace bsq::cli
