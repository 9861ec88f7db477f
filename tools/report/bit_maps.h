#pragma once

#include <vector>

#include "tools/report/collection.h"
#include "tools/report/plot_set.h"

namespace bsq::cli {

// Heat maps with a row for every layer. What has no data is left out.

/// `bits`: bits of every layer, a column for every point.
void add_bits_map(PlotSet& plots, const std::vector<ReportPoint>& points);
/// NAME-time: bits of every layer over the epochs of one point, the adjustments marked.
void add_time_map(PlotSet& plots, const ReportPoint& point, size_t index);
/// NAME-planes: percent of weights with a non-zero digit in every plane of one point's model, which must be
/// there.
void add_planes_map(PlotSet& plots, const ReportPoint& point, size_t index);

}  // namespace bsq::cli
