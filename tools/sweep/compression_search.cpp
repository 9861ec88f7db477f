#include "tools/sweep/compression_search.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tools/sweep/grid.h"

namespace bsq::cli {
namespace {

// Where only one run is known, and as a bound for what two noisy ones say.
constexpr double kUsualSlope = 0.7, kLeastSlope = 0.25, kMostSlope = 2.0;
constexpr double kLargestStep = 6;
// A bracket's ends are never proposed again: at least this part of its log width stays on either side.
constexpr double kMargin = 0.1;
// comp moves in steps; brackets narrower than this hold nothing new.
constexpr double kNarrowest = 1.002;

double rounded(double alpha) { return std::strtod(number_text(alpha, 4).c_str(), nullptr); }

}  // namespace

CompressionSearch::CompressionSearch(double target, double tolerance, double first_alpha, int max_runs)
    : target_(target), tolerance_(tolerance), first_alpha_(first_alpha), max_runs_(max_runs) {}

void CompressionSearch::add(double alpha, std::optional<double> comp) {
  if (!comp || !std::isfinite(*comp) || *comp <= 0) {
    failed_.push_back(alpha);
    return;
  }
  runs_.push_back({alpha, *comp});
  std::sort(runs_.begin(), runs_.end(), [](const Run& a, const Run& b) { return a.alpha < b.alpha; });
}

const CompressionSearch::Run* CompressionSearch::nearest() const {
  const auto distance = [&](const Run& run) { return std::abs(std::log(run.comp / target_)); };
  const auto at = std::min_element(runs_.begin(), runs_.end(),
                                   [&](const Run& a, const Run& b) { return distance(a) < distance(b); });
  return at == runs_.end() ? nullptr : &*at;
}

bool CompressionSearch::has_landed() const {
  const auto* run = nearest();
  return run != nullptr && std::abs(run->comp / target_ - 1) <= tolerance_;
}

std::optional<double> CompressionSearch::best() const {
  const auto* run = nearest();
  return run == nullptr ? std::nullopt : std::optional(run->alpha);
}

std::optional<double> CompressionSearch::next() const {
  if (has_landed() || static_cast<int>(runs_.size() + failed_.size()) >= max_runs_) {
    return std::nullopt;
  }
  const double alpha = rounded(proposal());
  const auto is_known = [&](const Run& run) { return run.alpha == alpha; };
  const bool is_new = std::none_of(runs_.begin(), runs_.end(), is_known) &&
                      std::find(failed_.begin(), failed_.end(), alpha) == failed_.end();
  return is_new ? std::optional(alpha) : std::nullopt;
}

double CompressionSearch::proposal() const {
  const double least_failed = failed_.empty() ? INFINITY : *std::min_element(failed_.begin(), failed_.end());
  if (runs_.empty()) {
    return failed_.empty() ? first_alpha_ : least_failed / 4;
  }
  // Of noisy runs the crossing that lies nearest to the target counts.
  const Run* low = nullptr;
  const Run* high = nullptr;
  double best = INFINITY;
  for (size_t i = 0; i + 1 < runs_.size(); ++i) {
    const double width = std::abs(std::log(runs_[i + 1].comp / runs_[i].comp));
    if (runs_[i].comp < target_ && runs_[i + 1].comp > target_ && width < best) {
      low = &runs_[i], high = &runs_[i + 1], best = width;
    }
  }
  if (low == nullptr) {
    const double alpha = extrapolated(*nearest());
    return alpha < least_failed ? alpha : std::sqrt(nearest()->alpha * least_failed);
  }
  const double width = std::log(high->alpha / low->alpha);
  if (width < std::log(kNarrowest)) {
    return low->alpha;
  }
  const double part = std::log(target_ / low->comp) / std::log(high->comp / low->comp);
  return low->alpha * std::exp(width * std::clamp(part, kMargin, 1 - kMargin));
}

double CompressionSearch::extrapolated(const Run& from) const {
  double slope = kUsualSlope;
  const Run* other = nullptr;
  for (const auto& run : runs_) {
    if (&run != &from && (other == nullptr || std::abs(std::log(run.alpha / from.alpha)) <
                                                  std::abs(std::log(other->alpha / from.alpha)))) {
      other = &run;
    }
  }
  if (other != nullptr) {
    slope = std::log(other->comp / from.comp) / std::log(other->alpha / from.alpha);
    slope = std::clamp(slope, kLeastSlope, kMostSlope);
  }
  // alpha = 0, which a logarithm does not know, can only be a caller's first guess.
  const double base = std::max(from.alpha, 1e-12);
  const double step = std::pow(target_ / from.comp, 1 / slope);
  return base * std::clamp(step, 1 / kLargestStep, kLargestStep);
}

}  // namespace bsq::cli
