#pragma once

#include <cstddef>
#include <vector>

namespace bsq::cli {

/// Indices of the points that no other one beats in both, by rising size: larger is better for `x` and `y`.
/// Points that are not finite are left out.
std::vector<size_t> pareto_front(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace bsq::cli
