#pragma once

#include <optional>
#include <vector>

namespace bsq::cli {

/// Searches the regularization strength alpha at which BSQ reaches a wanted compression. Over a wide range
/// log(comp) is close to linear in log(alpha) and rises, so that the secant through the nearest two runs,
/// kept inside the bracket once there is one, needs few of them. Where comp does not move, alpha moves by
/// ever larger factors.
class CompressionSearch {
 public:
  /// Ends where comp is within `tolerance` (a fraction) of `target`, or after `max_runs` runs.
  CompressionSearch(double target, double tolerance, double first_alpha, int max_runs);

  /// The alpha to run next, of four digits; nothing where the search has landed or gives up.
  std::optional<double> next() const;
  /// What a run gave; nothing for a failed one, which is taken for a sign of too large an alpha.
  void add(double alpha, std::optional<double> comp);

  bool has_landed() const;
  /// The alpha whose comp is nearest to the target; nothing before the first good run.
  std::optional<double> best() const;

 private:
  struct Run {
    double alpha, comp;
  };
  const Run* nearest() const;
  double proposal() const;
  const Run* bracket(bool is_rising) const;
  double extrapolated() const;
  double least_failed_above(double alpha) const;

  double target_, tolerance_, first_alpha_;
  int max_runs_;
  std::vector<Run> runs_;  ///< by alpha
  std::vector<double> failed_;
};

}  // namespace bsq::cli
