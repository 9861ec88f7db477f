#include "tools/report/pareto_front.h"

#include <algorithm>
#include <cmath>

namespace bsq::cli {

std::vector<size_t> pareto_front(const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<size_t> order;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i]) && std::isfinite(y[i])) {
      order.push_back(i);
    }
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return x[a] != x[b] ? x[a] > x[b] : y[a] > y[b]; });
  std::vector<size_t> front;
  for (const size_t i : order) {
    if (front.empty() || y[i] > y[front.back()]) {
      front.push_back(i);
    }
  }
  std::reverse(front.begin(), front.end());
  return front;
}

}  // namespace bsq::cli
