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
// A change of comp below 2 % is none. On a plateau alpha moves by 10, 100, ...; no further than a million
// times away from where the search began.
constexpr double kFlat = 0.02, kPlateauFactor = 10, kLargestFactor = 1e4, kFarthest = 1e6,
                 kLeastMiddle = 1e-3;

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

// A failed run is a bound only above those that succeeded.
double CompressionSearch::least_failed_above(double alpha) const {
  double least = INFINITY;
  for (const double failed : failed_) {
    least = failed > alpha ? std::min(least, failed) : least;
  }
  return least;
}

// Two neighbours with the target between them, rising or falling. Of noisy runs those whose comp is nearest
// to the target count.
const CompressionSearch::Run* CompressionSearch::bracket(bool is_rising) const {
  const Run* low = nullptr;
  double best = INFINITY;
  for (size_t i = 0; i + 1 < runs_.size(); ++i) {
    const double first = std::log(runs_[i].comp / target_), second = std::log(runs_[i + 1].comp / target_);
    const bool is_between = is_rising ? first < 0 && second > 0 : first > 0 && second < 0;
    if (is_between && std::abs(second - first) < best) {
      low = &runs_[i], best = std::abs(second - first);
    }
  }
  return low;
}

double CompressionSearch::proposal() const {
  if (runs_.empty()) {
    return failed_.empty() ? first_alpha_ : *std::min_element(failed_.begin(), failed_.end()) / 4;
  }
  const bool is_rising = bracket(/*is_rising=*/true) != nullptr;
  const Run* low = bracket(is_rising);
  if (low == nullptr) {
    return extrapolated();
  }
  const Run* high = low + 1;
  const double width = std::log(high->alpha / low->alpha);
  if (width < std::log(kNarrowest)) {
    return low->alpha;
  }
  const double part = std::log(target_ / low->comp) / std::log(high->comp / low->comp);
  return low->alpha * std::exp(width * std::clamp(part, kMargin, 1 - kMargin));
}

// All runs are on one side of the target: beyond the outermost, by the secant through it and its neighbour.
// Where comp has not moved over some runs, a plateau, by a factor that grows with each.
double CompressionSearch::extrapolated() const {
  const bool is_low = runs_.front().comp < target_;
  auto outwards = runs_;
  if (is_low) {
    std::reverse(outwards.begin(), outwards.end());
  }
  const auto& edge = outwards.front();
  // alpha = 0, which a logarithm does not know, can only be a caller's first guess.
  const double base = std::max(edge.alpha, 1e-12);
  double slope = kUsualSlope;
  if (outwards.size() > 1) {
    const double other = std::max(outwards[1].alpha, 1e-12);
    slope =
        std::clamp(std::log(edge.comp / outwards[1].comp) / std::log(base / other), kLeastSlope, kMostSlope);
  }
  double step = std::clamp(std::pow(target_ / edge.comp, 1 / slope), 1 / kLargestStep, kLargestStep);
  double factor = 1;
  for (size_t i = 0; i + 1 < outwards.size() && factor < kLargestFactor; ++i) {
    const double moved = std::log(outwards[i].comp / outwards[i + 1].comp);
    if ((is_low ? moved : -moved) > kFlat) {
      break;
    }
    factor *= kPlateauFactor;
  }
  step = is_low ? std::max(step, factor) : std::min(step, 1 / factor);
  const double middle = std::max(first_alpha_, kLeastMiddle);
  const double alpha = std::clamp(base * step, middle / kFarthest, middle * kFarthest);
  const double failed = least_failed_above(edge.alpha);
  return alpha < failed ? alpha : std::sqrt(base * failed);
}

}  // namespace bsq::cli
